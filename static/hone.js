// Behaviour that every page shares: theme, menus, copy buttons, times in the reader's zone, the list of shortcuts.
// Everything here is a convenience; each page works without it.

const root = document.documentElement;

function markTheme() {
  const current = root.dataset.theme ?? "system";
  for (const button of document.querySelectorAll("[data-set-theme]"))
    button.setAttribute("aria-pressed", String(button.dataset.setTheme === current));
}

function setTheme(theme) {
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  try {
    if (theme === "system") localStorage.removeItem("theme");
    else localStorage.setItem("theme", theme);
  } catch {
    // Storage is switched off: the choice lasts for this page.
  }
  markTheme();
}

async function copy(button) {
  const field = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    field.select(); // no clipboard outside HTTPS and localhost
    document.execCommand("copy");
  }
  const label = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = label), 1500);
}

// The days that the server counts are those of the reader's time zone.
const { timeZone } = new Intl.DateTimeFormat().resolvedOptions();
if (timeZone) document.cookie = `hone_zone=${timeZone}; path=/; max-age=31536000; samesite=lax`;

const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

function localTimes(within) {
  const times = [...within.querySelectorAll("time[datetime]")];
  for (const time of within.matches?.("time[datetime]") ? [within, ...times] : times) {
    const local = clock.format(new Date(time.dateTime));
    if (time.title) time.title = local;
    else time.textContent = local;
  }
}

function helpDialog() {
  return document.getElementById("shortcuts");
}

document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-set-theme], [data-copy], [data-opens], [data-closes]");
  if (target?.dataset.setTheme) setTheme(target.dataset.setTheme);
  if (target?.dataset.copy) copy(target);
  if (target?.dataset.opens) document.getElementById(target.dataset.opens)?.showModal();
  if (target && "closes" in target.dataset) target.closest("dialog")?.close();
  for (const menu of document.querySelectorAll("details.menu[open]"))
    if (!menu.contains(event.target) || target?.dataset.opens) menu.open = false;
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    const menu = document.querySelector("details.menu[open]");
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  }
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (/^[?\uff1f]$/.test(event.key) && !typing && !event.ctrlKey && !event.metaKey && !helpDialog()?.open) helpDialog()?.showModal();
});

document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

// A page may offer its own keys: <template data-shortcuts><dt><kbd>1</kbd></dt><dd>…</dd></template>
for (const extra of document.querySelectorAll("template[data-shortcuts]"))
  helpDialog()?.querySelector("dl").prepend(extra.content.cloneNode(true));

for (const current of document.querySelectorAll(".side [aria-current], .tabs [aria-current]"))
  current.scrollIntoView({ block: "nearest", inline: "center" });
// The session changed since the page was loaded (signed in again elsewhere): the refusal brings a fresh token.
document.addEventListener("htmx:after:request", (event) => {
  const fresh = event.detail.ctx?.response?.headers?.get?.("X-CSRF-Fresh");
  if (!fresh) return;
  document.body.setAttribute("hx-headers:inherited", JSON.stringify({ "X-CSRF-Token": fresh }));
  for (const field of document.querySelectorAll('input[name="csrf_token"]')) field.value = fresh;
});

// What was done floats over the page (hone.css) until it is closed or has been there for a while; not while it is read.
const SHOWN_MS = 8000;
for (const notice of document.querySelectorAll("#messages > .notice.ok")) {
  const close = document.createElement("button");
  close.type = "button";
  close.className = "small quiet";
  close.textContent = "Close";
  close.addEventListener("click", () => notice.remove());
  notice.append(close);
  const leave = () => (notice.matches(":hover, :focus-within") ? setTimeout(leave, 1000) : notice.remove());
  setTimeout(leave, SHOWN_MS);
}

// A form that was sent is not sent once more by the next click, and its button says that something is going on.
const BUSY_MS = 10_000; // it may have brought a file, after which the page stays
document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (event.defaultPrevented || event.target.method !== "post" || !button) return;
  if (button.ariaBusy === "true") return event.preventDefault();
  setTimeout(() => {
    if (event.defaultPrevented) return; // another script sends it
    button.ariaBusy = "true";
    setTimeout(() => (button.ariaBusy = null), BUSY_MS);
  });
});
addEventListener("pageshow", () => document.querySelectorAll("button[aria-busy]").forEach((button) => (button.ariaBusy = null)));

document.querySelector("[data-autofocus]")?.focus();
localTimes(document);
// Whatever comes later, by htmx or a stream of events, says its times in UTC too.
new MutationObserver((changes) => {
  for (const { addedNodes } of changes)
    for (const node of addedNodes) if (node.nodeType === Node.ELEMENT_NODE) localTimes(node);
}).observe(document.body, { childList: true, subtree: true });
markTheme();
