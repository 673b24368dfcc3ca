// The labelling screen: one key for everything, one request an answer, and no answer lost to a bad line.
// Without this script the screen is a plain form; htmx sends it and swaps in the next item.
//
// What a kind of items needs beside this is in its own script, loaded before: globalThis.honeKinds[kind] may have
//   arrive(form)         an item of the kind is shown, or what was kept of its answer was put back
//   key(event, tools)    true where it took the key; tools: chosen(), select(button), choose(button)
//   ask(field)           the sentence for a required field that is empty
// A button .choice is an answer of its own; a kind whose fields are the answer has one button, [data-submit].

const SETTLE = 250; // ms after a new pair is shown in which a key that was pressed twice is not meant for it
const RETRY = 3000; // ms between attempts while the line is down

const KEPT = `hone-answer:${location.pathname}`;
let current = null; // the screen that arrived last
let shownAt = 0; // when the pair was shown, less the time the page was hidden
let hiddenAt = 0;
let sending = false;
let retry = 0;
let lastChoice = null; // the choice button that was pressed, until the answer is saved

const screen = () => document.getElementById("screen");
const form = () => document.getElementById("answer");
const line = (text) => {
  const place = document.getElementById("line");
  if (place) [place.textContent, place.hidden] = [text, !text];
};
const kind = () => globalThis.honeKinds?.[screen().dataset.kind] ?? {};
const submitter = () => form().querySelector("[data-submit]") ?? lastChoice;
const announce = (text) => (document.getElementById("announce").textContent = text);

// -- a new pair ------------------------------------------------------------------------------------------------------

function arrive() {
  current = screen();
  shownAt = performance.now();
  hiddenAt = document.hidden ? shownAt : 0;
  lastChoice = null;
  line("");
  raw(sessionStorage.getItem("hone-raw") === "true");
  if (!form()) return;
  const shown = current;
  setTimeout(() => (shown.dataset.settled = "true"), SETTLE);
  form().querySelector("[data-send]").hidden = current.dataset.atOnce === "true" || Boolean(submitter());
  goOn();
  kind().arrive?.(form());
  const pressed = form().querySelector('.choice[aria-pressed="true"]');
  if (pressed) select(pressed);
  if (!document.activeElement || document.activeElement === document.body)
    document.getElementById("answers").focus({ preventScroll: true });
  grow(form().elements.comment);
  renewGuidelines();
  sendKept();
}

// The item that came is judged by other guidelines than those that this page shows: bring them, and say so.
async function renewGuidelines() {
  const panel = document.getElementById("guidelines");
  const { instructions } = current.dataset;
  if (panel.dataset.version === instructions) return;
  const notice = document.getElementById("changed").content.cloneNode(true);
  notice.querySelector("a").href += instructions;
  current.querySelector("header").after(notice);
  panel.dataset.version = instructions;
  const answer = await fetch(panel.dataset.source).catch(() => null);
  if (!answer?.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("guidelines");
  if (fresh) panel.replaceChildren(...fresh.childNodes);
}

function seconds() {
  const now = document.hidden ? hiddenAt : performance.now();
  return ((now - shownAt) / 1000).toFixed(2);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) hiddenAt = performance.now();
  else {
    shownAt += performance.now() - hiddenAt;
    if (kept()) send();
  }
});

// -- choosing and sending --------------------------------------------------------------------------------------------

function select(button) {
  lastChoice = button;
  if (document.activeElement?.matches(".choice")) button.focus({ preventScroll: true }); // Enter is meant for this one
  for (const each of form().querySelectorAll(".choice"))
    each.setAttribute("aria-pressed", String(each === button));
  form().querySelector("[data-send]").hidden = false;
}

// What must be filled in before the answer can go: the first required field that is empty.
function missing() {
  const empty = (field) =>
    field.type === "radio" ? !form().querySelector(`[name="${CSS.escape(field.name)}"]:checked`) : !field.value.trim();
  return [...form().querySelectorAll("[required]")].find(empty) ?? null;
}

function askFor(field) {
  field.focus({ preventScroll: true });
  (field.closest(".question") ?? field).scrollIntoView({ block: "center" }); // not behind the bar at the foot
  if (field.type === "radio") line(`Answer “${asked(field)}” too, then send.`);
  else if (field.name !== "comment") line(kind().ask?.(field) ?? "Fill this in first.");
}
const asked = (radio) => radio.closest(".question").querySelector(".asked").textContent;

function choose(button) {
  select(button);
  const field = missing();
  if (field) askFor(field);
  else if (screen().dataset.atOnce === "true") send();
}

function send() {
  if (sending || !form()) return;
  if (!submitter() && !kept()) return line("Choose an answer first.");
  const field = submitter() && missing();
  if (field) return askFor(field);
  if (!form().elements.seconds.value) form().elements.seconds.value = seconds();
  if (submitter()) form().requestSubmit(submitter());
}

// The answer is kept in the browser from the moment it is given until the server has said that it has it.
const kept = () => JSON.parse(sessionStorage.getItem(KEPT) ?? "null");

function keep(body) {
  const fields = [...new URLSearchParams(body)].filter(([name]) => name !== "csrf_token");
  sessionStorage.setItem(KEPT, JSON.stringify({ assignment: form().elements.assignment_id.value, fields }));
}

// After a reload with an answer still unsent: put it back into the form and send it. If another pair is shown, the
// answer goes to its own assignment all the same.
function sendKept() {
  const answer = kept();
  if (!answer || sending) return;
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
  if (sending) return event.preventDefault();
  sending = true;
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
    if (status < 400) localStorage.removeItem(begunAt());
  }
});

document.addEventListener("htmx:error", (event) => {
  if (event.detail.ctx?.sourceElement !== form()) return;
  line("No connection. Your answer is kept here and sent as soon as the line is back.");
  tryAgain(RETRY);
});

document.addEventListener("htmx:finally:request", (event) => {
  if (event.detail.ctx.sourceElement?.id !== "answer") return;
  sending = false;
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

// The guidelines stand beside the answers, and the keys stay with those.
function dock() {
  const guidelines = document.getElementById("guidelines");
  if (guidelines.open) return guidelines.close();
  guidelines.show();
  document.getElementById("answers")?.focus({ preventScroll: true });
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.matches("[data-docks]")) dock();
  if (!button || !form()) return;
  if (button.matches("#answer .choice")) {
    if (event.detail !== 0 || !sending) event.preventDefault(); // requestSubmit() makes no click
    if (!sending) choose(button);
  } else if (button.matches("[data-send], [data-submit]")) {
    event.preventDefault();
    send();
  } else if (button.matches("[data-raw]")) raw(button.getAttribute("aria-pressed") !== "true");
});

document.addEventListener("change", ({ target }) => {
  if (!target.matches(".question input")) return;
  if (target !== document.activeElement) announce(`${asked(target)} ${target.nextElementSibling.firstChild.textContent}`);
  if (submitter() && !kept()) line(missing() ? "" : "Ready to send.");
});

document.addEventListener("toggle", ({ target }) => {
  if (target.matches?.(".skip-why[open]")) target.querySelector("button:not([hidden])").focus();
}, true);

document.addEventListener("htmx:after:swap", () => {
  if (!screen() || screen() === current) return; // a notice came, not an item
  sending = false; // the old form is gone, so its own last event does not come up here
  arrive();
  if (!form()) return;
  scrollTo(0, 0); // on a phone the last pair was left at its end
  announce(current.dataset.announce ?? "Next");
});

// -- what was begun ---------------------------------------------------------------------------------------------------

// Comment, reasons and answers to questions stay in this browser until they are sent.
const BEGUN = "hone-begun:";
const FORGET = 14 * 24 * 3600 * 1000; // ms
const begunAt = () => BEGUN + form().elements.assignment_id.value;
const begun = () => [...form().elements].filter(({ name }) => /^(comment|reasons|questions\[)/.test(name));

document.addEventListener("input", ({ target }) => {
  if (!form() || !begun().includes(target)) return;
  const values = begun().map((field) => (field.type === "checkbox" || field.type === "radio" ? field.checked : field.value));
  try {
    localStorage.setItem(begunAt(), JSON.stringify({ values, at: Date.now() }));
  } catch {
    // No room, or storage is switched off: it lasts as long as the page.
  }
});

function goOn() {
  for (const name of Object.keys(localStorage).filter((each) => each.startsWith(BEGUN)))
    if (!(Date.now() - JSON.parse(localStorage.getItem(name)).at < FORGET)) localStorage.removeItem(name);
  const { values } = JSON.parse(localStorage.getItem(begunAt()) ?? "{}");
  if (values?.length !== begun().length) return; // the project asks something else by now
  begun().forEach((field, at) => (field[typeof values[at] === "boolean" ? "checked" : "value"] = values[at]));
}

// -- keys ------------------------------------------------------------------------------------------------------------

function raw(on) {
  sessionStorage.setItem("hone-raw", String(on));
  screen().classList.toggle("raw-shown", on);
  document.querySelector("[data-raw]")?.setAttribute("aria-pressed", String(on));
  for (const text of document.querySelectorAll(".answer .raw")) text.hidden = !on;
  for (const text of document.querySelectorAll(".answer .rendered")) text.hidden = on;
}

const tools = { chosen: () => lastChoice, select, choose };

// The key that is meant, on any keyboard: digits by their place in the row where that gives another sign without Shift,
// letters as they are written on the key, those of other scripts (or of an input method that is on) by their place. With
// Shift, not with Caps Lock, a letter is another key: see reading.js.
function meant(event) {
  const key = unshifted(event);
  return event.shiftKey && /^[a-z]$/.test(key) ? key.toUpperCase() : key;
}

function unshifted({ key, code, shiftKey }) {
  if (/^[0-9]$/.test(key)) return key;
  if (/^Digit[0-9]$/.test(code)) return shiftKey ? "" : code.slice(5);
  if (/^[a-z]$/i.test(key)) return key.toLowerCase();
  const foreign = /^\p{L}+$/u.test(key) && key.length < 3;
  if (!foreign && key !== "Process" && key !== "Unidentified") return key;
  if (code === "Comma") return ",";
  return /^Key[A-Z]$/.test(code) ? code.slice(3).toLowerCase() : key;
}

document.addEventListener("keydown", (event) => {
  const { target, key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog:modal")) return;
  if (key === "Escape" && !target.matches("textarea")) document.getElementById("guidelines").close();
  if (target.matches("textarea")) {
    if (event.isComposing || event.keyCode === 229) return; // an input method's own keys
    if (key === "Escape") target.blur();
    if (key === "Enter" && !event.shiftKey && submitter() && target.name === "comment") {
      event.preventDefault();
      send();
    }
    return;
  }
  if (target.matches("input:not([type=checkbox], [type=radio]), select")) return;
  if (act({ key: meant(event), repeat: event.repeat, target })) event.preventDefault();
});

function act(event) {
  const { key, repeat, target } = event;
  if (key === "g") return repeat || click("[data-docks]");
  if (key === "r") return click("[data-raw]");
  if (repeat) return /^[0-9bsu]$/.test(key);
  if (!form()) return key === "u" && click('[data-key="u"]'); // the queue has run out
  const reason = key && form().querySelector(`[data-reason="${CSS.escape(key)}"]`);
  if (reason) return reason.click(), true;
  if (key === "c") return form().elements.comment ? (form().elements.comment.focus(), true) : false;
  if (key === "Enter" && (submitter() || target.matches("input"))) {
    const button = target.closest("a, summary, button");
    return button && button !== submitter() ? false : (send(), true);
  }
  if (key.startsWith("Arrow") && target.matches("[type=radio]")) return false; // moves within the question
  const busy = sending || !screen().dataset.settled;
  if (!busy && kind().key?.(event, tools)) return true;
  if (!screen().querySelector(`[data-key="${CSS.escape(key)}"]`)) return false;
  return busy || click(`[data-key="${CSS.escape(key)}"]`);
}

function click(selector) {
  const button = screen().querySelector(selector);
  button?.click();
  return Boolean(button);
}

// -- the comment's box, and the lease --------------------------------------------------------------------------------

function grow(box) {
  if (!box) return;
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight + 2, 160)}px`;
}
document.addEventListener("input", (event) => event.target.matches?.("[name=comment]") && grow(event.target));

async function renew() {
  const { renew: address, assignment, renewSeconds } = screen()?.dataset ?? {};
  setTimeout(renew, 1000 * (renewSeconds ?? 60));
  if (!address || document.hidden || sending) return;
  const body = new URLSearchParams({ assignment_id: assignment, csrf_token: form().elements.csrf_token.value });
  const answer = await fetch(address, { method: "POST", body, headers: { Accept: "application/json" } }).catch(() => null);
  if (answer?.status === 409 && screen()?.dataset.assignment === assignment) line((await answer.json()).detail);
}

setTimeout(renew, 1000 * (screen()?.dataset.renewSeconds ?? 60));
arrive();
