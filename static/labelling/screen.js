// The parts of the labelling screen, what is chosen on it, and how it speaks. Knows nothing of keys or requests.

export const now = {
  choice: null, // the choice button that was pressed, until the answer is saved
  sending: false,
};

export const screen = () => document.getElementById("screen");
export const form = () => document.getElementById("answer");
export const kind = () => globalThis.honeKinds?.[screen().dataset.kind] ?? {};
export const submitter = () => form().querySelector("[data-submit]") ?? now.choice;
export const announce = (text) => (document.getElementById("announce").textContent = text);

export function line(text) {
  const place = document.getElementById("line");
  if (place) [place.textContent, place.hidden] = [text, !text];
}

export function click(selector) {
  const button = screen().querySelector(selector);
  button?.click();
  return Boolean(button);
}
