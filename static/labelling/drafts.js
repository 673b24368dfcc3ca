// What was begun: comment, reasons and answers to questions stay in this browser until they are sent.

import { form } from "./screen.js";

const BEGUN = "hone-begun:";
const FORGET = 14 * 24 * 3600 * 1000; // ms
const at = () => BEGUN + form().elements.assignment_id.value;
const begun = () => [...form().elements].filter(({ name }) => /^(comment|reasons|questions\[)/.test(name));

document.addEventListener("input", ({ target }) => {
  if (!form() || !begun().includes(target)) return;
  const values = begun().map((field) => (field.type === "checkbox" || field.type === "radio" ? field.checked : field.value));
  try {
    localStorage.setItem(at(), JSON.stringify({ values, at: Date.now() }));
  } catch {
    // No room, or storage is switched off: it lasts as long as the page.
  }
});

export function goOn() {
  for (const name of Object.keys(localStorage).filter((each) => each.startsWith(BEGUN)))
    if (!(Date.now() - JSON.parse(localStorage.getItem(name)).at < FORGET)) localStorage.removeItem(name);
  const { values } = JSON.parse(localStorage.getItem(at()) ?? "{}");
  if (values?.length !== begun().length) return; // the project asks something else by now
  begun().forEach((field, place) => (field[typeof values[place] === "boolean" ? "checked" : "value"] = values[place]));
}

export const forget = () => localStorage.removeItem(at());
