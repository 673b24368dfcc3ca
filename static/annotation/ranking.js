// A ranking by keys or buttons: the number of an answer gives it the next place. What is ranked stands in the menus,
// which are sent; so a place that was filled in before, or kept through a reload, is simply there.

const form = () => document.getElementById("answer");
const menus = () => [...form().querySelectorAll(".ranking select")];
const narrow = matchMedia("(max-width: 60rem)");
const ORDINALS = ["1st", "2nd", "3rd", "4th", "5th", "6th", "7th", "8th"];
let tie = false; // the next answer shares the last one's place
let picked = []; // numbers in the order in which they got their places

// The menus' numbers, best first: [[2], [1, 3]]
function tiers() {
  const at = new Map();
  for (const menu of menus())
    if (menu.value) at.set(+menu.value, [...(at.get(+menu.value) ?? []), menu.id.slice(6)]);
  return [...at.keys()].sort((a, b) => a - b).map((place) => at.get(place));
}

function write(ranked) {
  let before = 0;
  const place = new Map();
  for (const tier of ranked) {
    for (const number of tier) place.set(number, before + 1);
    before += tier.length;
  }
  for (const menu of menus()) menu.value = place.get(menu.id.slice(6)) ?? "";
  show();
}

function show() {
  const ranked = tiers();
  for (const button of form().querySelectorAll("[data-pick]")) {
    const place = document.getElementById(`place-${button.dataset.pick}`).value;
    button.setAttribute("aria-pressed", String(Boolean(place)));
    button.querySelector(".place").textContent = place && ORDINALS[place - 1];
  }
  const equal = form().querySelector("[data-tie]");
  if (equal) [equal.disabled, tie] = [!ranked.length, tie && ranked.length > 0];
  equal?.setAttribute("aria-pressed", String(tie));
  form().querySelector("[data-back]").disabled = !ranked.length;
  const words = ranked.map((tier) => tier.join(" equal to ")).join(", then ");
  document.getElementById("ranked").textContent = words ? `Best first: ${words}` : "";
}

function pick(number) {
  const ranked = tiers();
  if (ranked.flat().includes(number)) return;
  if (tie && ranked.length) ranked.at(-1).push(number);
  else ranked.push([number]);
  tie = false;
  picked.push(number);
  write(ranked);
}

function takeBack() {
  const ranked = tiers();
  const last = picked.filter((number) => ranked.flat().includes(number)).pop() ?? ranked.at(-1)?.at(-1);
  picked = picked.filter((number) => number !== last);
  tie = false;
  write(ranked.map((tier) => tier.filter((number) => number !== last)).filter((tier) => tier.length));
}

// One answer at a time where they have no room beside each other.
function tabbed() {
  const answers = [...document.querySelectorAll("#answers .answer")];
  const one = answers.length > 4 || narrow.matches;
  const bar = document.getElementById("answer-tabs");
  bar.hidden = !one;
  document.getElementById("answers").classList.toggle("one-at-a-time", one);
  if (one && !answers.some((answer) => answer.classList.contains("current"))) turnTo(0);
}

function turnTo(index) {
  const answers = [...document.querySelectorAll("#answers .answer")];
  answers.forEach((answer, at) => answer.classList.toggle("current", at === index));
  [...document.querySelectorAll("#answer-tabs button")].forEach((button, at) =>
    button.setAttribute("aria-pressed", String(at === index)));
}

function step(direction) {
  const answers = [...document.querySelectorAll("#answers .answer")];
  const at = answers.findIndex((answer) => answer.classList.contains("current"));
  turnTo((at + direction + answers.length) % answers.length);
}

narrow.addEventListener("change", () => form()?.querySelector(".ranking") && tabbed());

document.addEventListener("click", ({ target }) => {
  const button = target.closest("button");
  if (!button || !form()?.querySelector(".ranking")) return;
  if (button.dataset.pick) pick(button.dataset.pick);
  else if (button.matches("[data-tie]")) [tie] = [!tie], show();
  else if (button.matches("[data-back]")) takeBack();
  else if (button.dataset.turn) turnTo(button.dataset.turn - 1);
});

(globalThis.honeKinds ??= {}).ranking = {
  arrive() {
    [tie, picked] = [false, tiers().flat()];
    for (const each of form().querySelectorAll(".ranking label, .ranking select")) each.hidden = true;
    for (const each of form().querySelectorAll(".pick, .rank-tools")) each.hidden = false;
    tabbed();
    show();
  },
  key({ key }) {
    if (key !== "ArrowLeft" && key !== "ArrowRight") return false;
    if (!document.querySelector("#answers.one-at-a-time")) return false;
    step(key === "ArrowLeft" ? -1 : 1);
    return true;
  },
  ask: () => "Give every answer a place: press its number, best first.",
};
