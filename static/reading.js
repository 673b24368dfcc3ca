// How an item is read. Its keys are letters with Shift, so that none of them answers; it knows nothing of answers.
//   focus   only the item, without bars and navigation; theme.js sets it before the page is drawn, label.css says how

const KEYS = { F: "focus" };
const root = document.documentElement;

const shown = {
  focus: () => root.classList.contains("focused"),
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
};

function mark() {
  for (const button of document.querySelectorAll("[data-view]"))
    button.setAttribute("aria-pressed", String(shown[button.dataset.view]()));
}

function toggle(view) {
  set[view](!shown[view]());
  mark();
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-view]");
  if (button) toggle(button.dataset.view);
});

document.addEventListener("keydown", (event) => {
  const { key, code, target } = event;
  if (!event.shiftKey || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog:modal")) return;
  if (event.repeat || target.matches("textarea, select, input:not([type=checkbox], [type=radio])")) return;
  const letter = /^[a-z]$/i.test(key) ? key.toUpperCase() : code.replace(/^Key/, "");
  const view = KEYS[letter];
  if (!view || !document.querySelector(`[data-view="${view}"]`)) return;
  event.preventDefault();
  toggle(view);
});

document.addEventListener("htmx:after:swap", mark);
mark();
