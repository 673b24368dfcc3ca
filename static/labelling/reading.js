// How an item is read. The keys are letters with Shift, so that none of them answers; nothing here knows of answers.
//   focus        only the item, without bars and navigation; theme.js sets it before the page is drawn, label.css says how
//   differences  words that only one of two answers has are marked in it
//   together     two answers scroll together
// and the raw text in place of the rendered one, which is r. What is switched on stays so for this person: the focus in
// this browser, the rest while the session lasts.

import { mark, unmark } from "./differences.js";
import { meant } from "./keyboard.js";
import { announce, screen } from "./screen.js";

const KEYS = { F: "focus", D: "differences", S: "together" };
const root = document.documentElement;
const place = (view) => `hone-${view}:${document.getElementById("guidelines").dataset.person}`;
const lasts = (view) => sessionStorage.getItem(place(view)) === "true";
const offered = (view) => document.querySelector(`[data-view="${view}"]`);

const shown = {
  focus: () => root.classList.contains("focused"),
  differences: () => lasts("differences"),
  together: () => lasts("together"),
};

const set = {
  focus(on) {
    root.classList.toggle("focused", on);
    try {
      localStorage.setItem("hone-focus", String(on));
    } catch {
      // Storage is switched off: it lasts as long as the page.
    }
  },
  differences(on) {
    sessionStorage.setItem(place("differences"), String(on));
    differences();
  },
  together: (on) => sessionStorage.setItem(place("together"), String(on)),
};

function press() {
  for (const button of document.querySelectorAll("[data-view]"))
    button.setAttribute("aria-pressed", String(shown[button.dataset.view]()));
}

function toggle(view) {
  set[view](!shown[view]());
  press();
}

// The texts of two answers, each as it is seen.
const texts = () => [...document.querySelectorAll(`.answer .${rawShown() ? "raw" : "rendered"}`)];

function differences() {
  unmark(screen());
  if (!shown.differences() || !offered("differences")) return;
  const [one, two] = mark(...texts());
  announce(one + two ? `${counted(one)} only in answer 1, ${counted(two)} only in answer 2` : "Both have the same words");
}
const counted = (words) => `${words.toLocaleString("en")} ${words === 1 ? "word is" : "words are"}`;

const rawShown = () => sessionStorage.getItem("hone-raw") === "true";

export function raw(on) {
  sessionStorage.setItem("hone-raw", String(on));
  showRaw();
  differences();
}

function showRaw() {
  const on = rawShown();
  screen().classList.toggle("raw-shown", on);
  document.querySelector("[data-raw]")?.setAttribute("aria-pressed", String(on));
  for (const text of document.querySelectorAll(".answer .raw")) text.hidden = !on;
  for (const text of document.querySelectorAll(".answer .rendered")) text.hidden = on;
}

// What the answers reply to is seen first: of a long conversation its last turn, from its beginning.
function toLastTurn() {
  const prompt = document.querySelector(".prompt");
  const last = prompt?.lastElementChild;
  if (last) prompt.scrollTop = last.getBoundingClientRect().top - prompt.firstElementChild.getBoundingClientRect().top;
}

// An item arrived: show it as the last one was.
export function read() {
  toLastTurn();
  showRaw();
  press();
  if (shown.differences()) requestAnimationFrame(differences); // after it is drawn
}

// Where one stands, the other is brought to the same share of its own length.
let follows = null;
document.addEventListener("scroll", ({ target }) => {
  if (!target.matches?.(".answer-text") || !shown.together()) return;
  if (follows === target) return (follows = null);
  const others = [...document.querySelectorAll("#answers .answer-text")].filter((each) => each !== target);
  if (others.length !== 1 || !offered("together")) return;
  const room = (box) => box.scrollHeight - box.clientHeight;
  const top = room(target) > 0 ? Math.round((target.scrollTop / room(target)) * room(others[0])) : 0;
  if (Math.abs(others[0].scrollTop - top) < 1) return;
  follows = others[0];
  others[0].scrollTop = top;
}, true);

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-view]");
  if (button) toggle(button.dataset.view);
});

document.addEventListener("keydown", (event) => {
  const { target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog:modal")) return;
  if (event.repeat || target.matches("textarea, select, input:not([type=checkbox], [type=radio])")) return;
  const view = KEYS[meant(event)];
  if (!view || !offered(view)) return;
  event.preventDefault();
  toggle(view);
});
