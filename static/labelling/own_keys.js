// Keys that this person chose: what each stands for, and what is written on hints in place of the usual ones.

import { screen } from "./screen.js";

// By kind of items: own key -> the usual one of what it does, "" for a usual one that does nothing any more.
const kinds = JSON.parse(document.getElementById("own-keys").dataset.keys);
const chosen = (kind) => kinds[kind ?? ""] ?? {};
const written = (key) => (key === key.toLowerCase() ? key : `⇧${key}`); // as app/labels/keys.py writes it

// As it is typed, but for Caps Lock: capital with Shift only.
function typed({ key, shiftKey }) {
  if (!/^\p{L}$/u.test(key)) return key;
  return shiftKey ? key.toUpperCase() : key.toLowerCase();
}

// The usual key for what an event means, which is `usual` where nothing was changed.
export function ownMeaning(event, usual) {
  const keys = chosen(screen().dataset.kind);
  return keys[typed(event)] ?? keys[usual] ?? usual;
}

function hints(kind) {
  const entries = Object.entries(chosen(kind));
  const left = entries.filter(([, usual]) => !usual).map(([key]) => [written(key), ""]);
  return new Map([...left, ...entries.filter(([, usual]) => usual).map(([own, usual]) => [written(usual), written(own)])]);
}

export function hint(part) {
  if (!Object.keys(kinds).length) return;
  for (const each of part.querySelectorAll("kbd")) {
    const keys = hints(each.closest("[data-kind]")?.dataset.kind);
    each.textContent = each.textContent.split(" ").map((key) => keys.get(key) ?? key).filter(Boolean).join(" ");
    each.hidden = !each.textContent;
  }
}
