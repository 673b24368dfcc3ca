// The guidelines stand beside the answers, and the keys stay with those.

import { hint } from "./own_keys.js";
import { screen } from "./screen.js";

const panel = () => document.getElementById("guidelines");

export const undock = () => panel().close();

export function dock() {
  if (panel().open) return undock();
  panel().show();
  document.getElementById("answers")?.focus({ preventScroll: true });
}

// The item that came is judged by other guidelines than those that this page shows: bring them, and say so.
export async function renewGuidelines() {
  const shown = screen();
  const { instructions } = shown.dataset;
  if (panel().dataset.version === instructions) return;
  const notice = document.getElementById("changed").content.cloneNode(true);
  notice.querySelector("a").href += instructions;
  shown.querySelector("header").after(notice);
  panel().dataset.version = instructions;
  const answer = await fetch(panel().dataset.source).catch(() => null);
  if (!answer?.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("guidelines");
  if (fresh) panel().replaceChildren(...fresh.childNodes);
  hint(panel());
}

document.addEventListener("click", ({ target }) => target.closest("[data-docks]") && dock());
