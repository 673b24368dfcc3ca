// A flag is sent beside the answer: the item stays, and what was written stays until the managers have it.

import { form, line } from "./screen.js";

const flag = () => document.getElementById("flag");
const place = () => `hone-flag:${flag().elements.assignment_id.value}`;

function say(words) {
  const error = flag().querySelector(".error");
  [error.textContent, error.hidden] = [words, !words];
}

async function send(sent, again = false) {
  const button = sent.querySelector("button");
  button.disabled = true; // once
  const answer = await fetch(sent.action, {
    method: "POST", body: new URLSearchParams(new FormData(sent)), headers: { Accept: "application/json", "HX-Request": "true" },
  }).catch(() => null);
  button.disabled = false;
  if (sent !== flag()) return; // the item is another one by now
  const fresh = answer?.headers.get("X-CSRF-Fresh"); // signed in anew in another tab
  if (fresh && !again) {
    sent.elements.csrf_token.value = fresh;
    return send(sent, true);
  }
  if (!answer || answer.status >= 500) return say("No connection. What you wrote is kept here; send it again.");
  if (answer.ok) {
    sessionStorage.removeItem(place());
    sent.reset();
    sent.closest("details").open = false;
    line("The managers see your flag. Their reply appears under My flags.");
    return document.getElementById("answers")?.focus({ preventScroll: true });
  }
  if (answer.status === 401 || answer.status === 403) return say("You are signed out. Sign in in another tab, then send this again.");
  const { detail, errors } = await answer.json().catch(() => ({}));
  say(errors?.message ?? detail ?? "This could not be sent. Load the page again, then send it once more.");
}

document.addEventListener("submit", (event) => {
  if (event.target !== flag()) return;
  event.preventDefault();
  say("");
  if (!flag().querySelector("button").disabled) send(flag());
});

document.addEventListener("input", ({ target }) => {
  if (target.form && target.form === flag()) sessionStorage.setItem(place(), target.value);
});

document.addEventListener("toggle", ({ target }) => {
  if (target.matches?.(".flag[open]")) flag().elements.message.focus();
}, true);

// An item arrived: go on with what was begun about it.
export function bringFlag() {
  if (form() && flag()) flag().elements.message.value = sessionStorage.getItem(place()) ?? "";
}
