// What is chosen, and what is still missing before it can be sent.

import { announce, form, kind, line, now } from "./screen.js";

export function select(button) {
  now.choice = button;
  if (document.activeElement?.matches(".choice")) button.focus({ preventScroll: true }); // Enter is meant for this one
  for (const each of form().querySelectorAll(".choice"))
    each.setAttribute("aria-pressed", String(each === button));
  form().querySelector("[data-send]").hidden = false;
}

// What must be filled in before the answer can go: the first required field that is empty.
export function missing() {
  const empty = (field) =>
    field.type === "radio" ? !form().querySelector(`[name="${CSS.escape(field.name)}"]:checked`) : !field.value.trim();
  return [...form().querySelectorAll("[required]")].find(empty) ?? null;
}

export function askFor(field) {
  field.focus({ preventScroll: true });
  (field.closest(".question") ?? field).scrollIntoView({ block: "center" }); // not behind the bar at the foot
  if (field.type === "radio") line(`Answer “${asked(field)}” too, then send.`);
  else if (field.name !== "comment") line(kind().ask?.(field) ?? "Fill this in first.");
}

const asked = (radio) => radio.closest(".question").querySelector(".asked").textContent;

// A radio button that a key has set is where nobody is: say so.
export function tell(radio) {
  if (radio !== document.activeElement) announce(`${asked(radio)} ${radio.nextElementSibling.firstChild.textContent}`);
}
