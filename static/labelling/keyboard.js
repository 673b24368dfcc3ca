// The key that is meant, on any keyboard: digits by their place in the row where that gives another sign without Shift,
// letters as they are written on the key, those of other scripts (or of an input method that is on) by their place. With
// Shift, not with Caps Lock, a letter is another key. Where a person has keys of their own, the usual one for it.

import { ownMeaning } from "./own_keys.js";

export function meant(event) {
  const key = unshifted(event);
  return ownMeaning(event, event.shiftKey && /^[a-z]$/.test(key) ? key.toUpperCase() : key);
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
