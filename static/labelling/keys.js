// One key for everything, on any keyboard.

import { choose, send } from "./sending.js";
import { select } from "./choosing.js";
import { undock } from "./guidelines.js";
import { click, form, kind, now, screen, submitter } from "./screen.js";
import { meant } from "./keyboard.js";

const tools = { chosen: () => now.choice, select, choose };

document.addEventListener("keydown", (event) => {
  const { target, key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog:modal")) return;
  if (key === "Escape" && !target.matches("textarea")) undock();
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
  if (key.startsWith("Arrow") && target.matches("[type=radio], [role=separator]")) return false; // moves within those
  const busy = now.sending || !screen().dataset.settled;
  if (!busy && kind().key?.(event, tools)) return true;
  if (!screen().querySelector(`[data-key="${CSS.escape(key)}"]`)) return false;
  return busy || click(`[data-key="${CSS.escape(key)}"]`);
}
