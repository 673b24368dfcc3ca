// How high the prompt and, where answers stand below each other, the answers are: dragged by a handle, or moved by the
// arrow keys on it; remembered in this browser. theme.js sets them before the page is drawn, label.css says what for.

const STEP = 24; // px that an arrow key moves
const LEAST = 64; // px
const root = document.documentElement;
const box = (handle) => document.querySelector(handle.dataset.sizes);
const property = (handle) => `--${handle.dataset.height}-height`;

function resize(handle, height) {
  const most = Math.round(innerHeight * 0.8);
  const wanted = Math.round(Math.min(Math.max(height, LEAST), most));
  root.style.setProperty(property(handle), `${wanted}px`);
  tell();
  return wanted;
}

function remember(name, height) {
  try {
    const kept = JSON.parse(localStorage.getItem("hone-heights") ?? "{}");
    localStorage.setItem("hone-heights", JSON.stringify({ ...kept, [name]: height }));
  } catch {
    // No room, or storage is switched off: it lasts as long as the page.
  }
}

function reset(handle) {
  root.style.removeProperty(property(handle));
  remember(handle.dataset.height, undefined);
  tell();
}

// A separator says where it stands.
function tell() {
  for (const handle of document.querySelectorAll("[data-height]")) {
    handle.hidden = false; // without this script there is none
    handle.setAttribute("aria-valuemin", LEAST);
    handle.setAttribute("aria-valuemax", Math.round(innerHeight * 0.8));
    handle.setAttribute("aria-valuenow", Math.round(box(handle)?.getBoundingClientRect().height ?? 0));
  }
}

document.addEventListener("pointerdown", (event) => {
  const handle = event.target.closest("[data-height]");
  if (!handle || event.button !== 0) return;
  event.preventDefault();
  handle.focus();
  handle.setPointerCapture(event.pointerId);
  const start = box(handle).getBoundingClientRect().height - event.clientY;
  let height;
  const move = ({ clientY }) => (height = resize(handle, start + clientY));
  handle.addEventListener("pointermove", move);
  handle.addEventListener("lostpointercapture", () => {
    handle.removeEventListener("pointermove", move);
    if (height) remember(handle.dataset.height, height);
  }, { once: true });
});

document.addEventListener("dblclick", ({ target }) => target.closest("[data-height]") && reset(target.closest("[data-height]")));

document.addEventListener("keydown", (event) => {
  const handle = event.target.closest?.("[data-height]");
  if (!handle || event.ctrlKey || event.metaKey || event.altKey) return;
  const by = { ArrowUp: -STEP, ArrowDown: STEP }[event.key];
  if (event.key === "Home") reset(handle);
  else if (by) remember(handle.dataset.height, resize(handle, box(handle).getBoundingClientRect().height + by));
  else return;
  event.preventDefault();
  event.stopPropagation();
});

document.addEventListener("htmx:after:swap", tell);
addEventListener("resize", tell);
tell();
