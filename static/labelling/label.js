// The labelling screen: one key for everything, one request an answer, and no answer lost to a bad line.
// Without this script the screen is a plain form; htmx sends it and swaps in the next item.
//
// What a kind of items needs beside this is in its own script, loaded before: globalThis.honeKinds[kind] may have
//   arrive(form)         an item of the kind is shown, or what was kept of its answer was put back
//   key(event, tools)    true where it took the key; tools: chosen(), select(button), choose(button)
//   ask(field)           the sentence for a required field that is empty
// A button .choice is an answer of its own; a kind whose fields are the answer has one button, [data-submit].
//
// Here: an item arrives, and what is pressed or changed goes to the part that it concerns.

import { missing, select, tell } from "./choosing.js";
import { goOn } from "./drafts.js";
import { bringFlag } from "./flags.js";
import { renewGuidelines } from "./guidelines.js";
import "./keys.js";
import "./lease.js";
import { hint } from "./own_keys.js";
import { raw, read } from "./reading.js";
import { announce, form, kind, line, now, screen, submitter } from "./screen.js";
import { choose, kept, send, sendKept, startClock } from "./sending.js";

const SETTLE = 250; // ms after a new item is shown in which a key that was pressed twice is not meant for it

let current = null; // the screen that arrived last

function arrive() {
  current = screen();
  startClock();
  now.choice = null;
  line("");
  hint(current);
  read();
  if (!form()) return;
  const shown = current;
  setTimeout(() => (shown.dataset.settled = "true"), SETTLE);
  form().querySelector("[data-send]").hidden = current.dataset.atOnce === "true" || Boolean(submitter());
  goOn();
  bringFlag();
  kind().arrive?.(form());
  const pressed = form().querySelector('.choice[aria-pressed="true"]');
  if (pressed) select(pressed);
  if (!document.activeElement || document.activeElement === document.body)
    document.getElementById("answers").focus({ preventScroll: true });
  grow(form().elements.comment);
  renewGuidelines();
  sendKept();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button || !form()) return;
  if (button.matches("#answer .choice")) {
    if (event.detail !== 0 || !now.sending) event.preventDefault(); // requestSubmit() makes no click
    if (!now.sending) choose(button);
  } else if (button.matches("[data-send], [data-submit]")) {
    event.preventDefault();
    send();
  } else if (button.matches("[data-raw]")) raw(button.getAttribute("aria-pressed") !== "true");
});

document.addEventListener("change", ({ target }) => {
  if (!target.matches(".question input")) return;
  tell(target);
  if (submitter() && !kept()) line(missing() ? "" : "Ready to send.");
});

document.addEventListener("toggle", ({ target }) => {
  // It comes a moment late: who is already at one of its fields stays there.
  if (target.matches?.(".skip-why[open]") && !target.contains(document.activeElement?.closest("input, button")))
    target.querySelector("button:not([hidden])").focus();
}, true);

document.addEventListener("htmx:after:swap", () => {
  if (!screen() || screen() === current) return; // a notice came, not an item
  now.sending = false; // the old form is gone, so its own last event does not come up here
  arrive();
  if (!form()) return;
  scrollTo(0, 0); // on a phone the last item was left at its end
  announce(current.dataset.announce ?? "Next");
});

function grow(box) {
  if (!box) return;
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight + 2, 160)}px`;
}
document.addEventListener("input", (event) => event.target.matches?.("[name=comment]") && grow(event.target));

hint(document.getElementById("shortcuts"));
hint(document.getElementById("guidelines"));
hint(document.getElementById("changed").content);
arrive();
