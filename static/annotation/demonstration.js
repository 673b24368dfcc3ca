// A text that is being written: its draft is kept in this browser, and the server shows what it will look like.

const QUIET = 300; // ms without a key before the preview is asked for
const FORGET = 14 * 24 * 3600 * 1000; // ms that a draft is kept
const DRAFT = `hone-draft:${location.pathname}:`;
const START = 300; // ms before the text takes the keys: one pressed for the item before is not meant for it

const box = () => document.getElementById("written");
const form = () => document.getElementById("answer");
const place = () => DRAFT + form().elements.assignment_id.value;

let waiting = 0;
let entering = 0;
let asked = null; // the request for a preview that is under way

function forgetOld() {
  for (const name of Object.keys(localStorage).filter((each) => each.startsWith("hone-draft:")))
    if (!(Date.now() - JSON.parse(localStorage.getItem(name)).at < FORGET)) localStorage.removeItem(name);
}

function keep() {
  try {
    localStorage.setItem(place(), JSON.stringify({ text: box().value, at: Date.now() }));
    document.querySelector("[data-draft]").hidden = false;
  } catch {
    document.querySelector("[data-draft]").hidden = true; // no room: the page does not claim what is not so
  }
}

function count() {
  const words = box().value.split(/\s+/u).filter(Boolean).length;
  document.querySelector("[data-words]").textContent = `${words.toLocaleString("en")} ${words === 1 ? "word" : "words"}`;
}

async function preview() {
  asked?.abort();
  asked = new AbortController();
  const { csrf_token: token, assignment_id: assignment, kind } = form().elements;
  const body = new URLSearchParams({
    csrf_token: token.value, assignment_id: assignment.value, kind: kind.value, answer: box().value,
  });
  const shown = box();
  try {
    const answer = await fetch(form().querySelector("[data-preview]").formAction, {
      method: "POST", body, signal: asked.signal, headers: { "HX-Request": "true" },
    });
    const html = answer.ok ? await answer.text() : "";
    if (!html || shown !== box()) return;
    const top = document.getElementById("preview").scrollTop;
    document.getElementById("preview").outerHTML = html;
    document.getElementById("preview").scrollTop = top;
  } catch {
    // The line is down: the next key tries again.
  }
}

document.addEventListener("input", ({ target }) => {
  if (target !== box()) return;
  keep();
  count();
  clearTimeout(waiting);
  waiting = setTimeout(preview, QUIET);
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") clearTimeout(entering);
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || !box() || document.querySelector("dialog:modal")) return;
  event.preventDefault();
  form().querySelector("[data-submit]").click();
});

// What the server has taken is no draft any more.
document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => {
  if (ctx.sourceElement === form() && box() && ctx.response.status < 400)
    localStorage.removeItem(DRAFT + form().elements.assignment_id.value);
});

(globalThis.honeKinds ??= {}).demonstration = {
  arrive(form) {
    forgetOld();
    form.querySelector("[data-preview]").hidden = true;
    const draft = JSON.parse(localStorage.getItem(place()) ?? "null");
    if (draft && draft.text !== box().value) {
      box().value = draft.text;
      document.querySelector("[data-draft]").hidden = false;
      count();
      preview();
    }
    clearTimeout(entering);
    if (matchMedia("(hover: hover)").matches) // elsewhere it would bring up a keyboard over the prompt
      entering = setTimeout(() => {
        if (document.activeElement?.id === "answers") box()?.focus({ preventScroll: true });
      }, START);
  },
  key({ key }) {
    if (key !== "e") return false;
    box().focus();
    return true;
  },
  ask: () => "Write the answer first.",
};
