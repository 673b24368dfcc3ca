// An answer is sent once, and not lost to a bad line: it is kept in the browser from the moment it is given until the
// server has said that it has it.

import { askFor, missing, select } from "./choosing.js";
import { forget } from "./drafts.js";
import { form, kind, line, now, screen, submitter } from "./screen.js";

const RETRY = 3000; // ms between attempts while the line is down
const KEPT = `hone-answer:${location.pathname}`;

let shownAt = 0; // when the item was shown, less the time the page was hidden
let hiddenAt = 0;
let retry = 0;

export const kept = () => JSON.parse(sessionStorage.getItem(KEPT) ?? "null");

export function startClock() {
  shownAt = performance.now();
  hiddenAt = document.hidden ? shownAt : 0;
}

function seconds() {
  const at = document.hidden ? hiddenAt : performance.now();
  return ((at - shownAt) / 1000).toFixed(2);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) hiddenAt = performance.now();
  else {
    shownAt += performance.now() - hiddenAt;
    if (kept()) send();
  }
});

export function choose(button) {
  select(button);
  const field = missing();
  if (field) askFor(field);
  else if (screen().dataset.atOnce === "true") send();
}

export function send() {
  if (now.sending || !form()) return;
  if (!submitter() && !kept()) return line("Choose an answer first.");
  const field = submitter() && missing();
  if (field) return askFor(field);
  if (!form().elements.seconds.value) form().elements.seconds.value = seconds();
  if (submitter()) form().requestSubmit(submitter());
}

function keep(body) {
  const fields = [...new URLSearchParams(body)].filter(([name]) => name !== "csrf_token");
  sessionStorage.setItem(KEPT, JSON.stringify({ assignment: form().elements.assignment_id.value, fields }));
}

// After a reload with an answer still unsent: put it back into the form and send it. If another item is shown, the
// answer goes to its own assignment all the same.
export function sendKept() {
  const answer = kept();
  if (!answer || now.sending) return;
  const fields = new Map(answer.fields);
  if (answer.assignment === form().elements.assignment_id.value) {
    for (const field of form().querySelectorAll("input, select, textarea"))
      if (field.matches("[type=radio], [type=checkbox]"))
        field.checked = answer.fields.some(([name, value]) => name === field.name && value === field.value);
      else if (field.name !== "csrf_token") field.value = fields.get(field.name) ?? "";
    kind().arrive?.(form());
    const button = [...form().querySelectorAll(".choice")].find((each) => each.value === fields.get("answer"));
    if (button) select(button);
    return send();
  }
  const body = new URLSearchParams(answer.fields);
  body.set("csrf_token", form().elements.csrf_token.value);
  fetch(form().action, { method: "POST", body, redirect: "manual" }).then(({ status }) => {
    if (status < 500 && ![401, 403, 429].includes(status)) sessionStorage.removeItem(KEPT);
    if (status === 409) line("An answer that was kept here was not saved: its item was withdrawn, or you answered it elsewhere.");
  }, () => {});
}

document.addEventListener("htmx:before:request", (event) => {
  const { ctx } = event.detail;
  if (ctx.sourceElement !== form()) return;
  if (now.sending) return event.preventDefault();
  now.sending = true;
  clearTimeout(retry);
  keep(ctx.request.body);
  screen().setAttribute("aria-busy", "true");
});

document.addEventListener("htmx:after:request", async (event) => {
  const { ctx } = event.detail;
  if (ctx.sourceElement !== form()) return;
  const { status } = ctx.response;
  if (status === 401 || status === 403) {
    line("You are signed out. Sign in in another tab; this answer is kept and sent when you come back.");
    if (await freshToken()) tryAgain(0);
  } else if (status >= 500 || status === 429) {
    tryAgain(RETRY);
  } else {
    sessionStorage.removeItem(KEPT);
    if (status < 400) forget();
  }
});

document.addEventListener("htmx:error", (event) => {
  if (event.detail.ctx?.sourceElement !== form()) return;
  line("No connection. Your answer is kept here and sent as soon as the line is back.");
  tryAgain(RETRY);
});

document.addEventListener("htmx:finally:request", (event) => {
  if (event.detail.ctx.sourceElement?.id !== "answer") return;
  now.sending = false;
  screen()?.removeAttribute("aria-busy");
});

function tryAgain(after) {
  clearTimeout(retry);
  retry = setTimeout(send, after);
}
addEventListener("online", () => kept() && send());

// A new sign-in gives the page another token; without it every answer of this page would be refused.
async function freshToken() {
  const answer = await fetch(location.pathname, { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected) return false;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const headers = page.body.getAttribute("hx-headers:inherited");
  if (!headers || headers === document.body.getAttribute("hx-headers:inherited")) return false;
  document.body.setAttribute("hx-headers:inherited", headers);
  for (const field of document.querySelectorAll("[name=csrf_token]"))
    field.value = JSON.parse(headers)["X-CSRF-Token"];
  return true;
}
