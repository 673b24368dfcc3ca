// Answers as they are written. A form marked data-chat is sent by fetch and answered with server-sent events:
// `start` (JSON: url, title, thread, sharing), `piece` (text), `end` (the thread as HTML). The server writes on whether
// anybody reads or not: a page that finds an answer under way (data-follow) takes it up. Without this file the same forms
// work as they are: the page comes back once the answer is whole.

const composer = document.getElementById("composer");
const field = document.getElementById("content");
const error = document.getElementById("composer-error");
const sendButton = composer.querySelector("[data-send]");
const stopButton = composer.querySelector("[data-stop]");
let running = false;
let leaving = false;
addEventListener("pagehide", () => (leaving = true));
addEventListener("pageshow", (event) => event.persisted && location.reload()); // streams do not survive the back button

function say(text) {
  error.textContent = text;
  error.hidden = !text;
}

function working(on) {
  running = on;
  sendButton.hidden = on;
  stopButton.hidden = !on;
}

function showThread(html) {
  document.getElementById("thread").outerHTML = html;
  window.htmx?.process(document.getElementById("thread"));
}

const nearEnd = () => window.innerHeight + window.scrollY > document.body.scrollHeight - 240;

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer += value;
    for (let cut; (cut = buffer.indexOf("\n\n")) >= 0; buffer = buffer.slice(cut + 2)) {
      const lines = buffer.slice(0, cut).split("\n");
      const name = lines.find((line) => line.startsWith("event: "))?.slice(7);
      const data = lines.filter((line) => line.startsWith("data: ")).map((line) => line.slice(6));
      yield { name, data: data.join("\n") };
    }
  }
}

function start({ url, title, thread, sharing }) {
  showThread(thread);
  document.getElementById("sharing-place").innerHTML = sharing;
  if (location.pathname !== url) {
    history.replaceState(null, "", url);
    composer.action = `${url}/messages`;
    composer.querySelector(".check")?.remove();
    document.getElementById("chat-title").textContent = title;
    const item = document.createElement("li");
    item.innerHTML = '<a aria-current="page"><span dir="auto"></span></a>';
    item.querySelector("a").href = url;
    item.querySelector("span").textContent = title;
    const list = document.querySelector(".chat-history ul");
    list.querySelector(".muted")?.remove();
    list.prepend(item);
    document.querySelector(".chat-list > a[aria-current]")?.removeAttribute("aria-current");
  }
  document.getElementById("latest")?.scrollIntoView({ block: "nearest" });
}

function write(text) {
  const place = document.querySelector("[data-writing]");
  if (!place) return;
  const follow = nearEnd();
  if (!place.firstElementChild) {
    const plain = document.createElement("div");
    plain.className = "plain";
    place.append(plain);
  }
  const plain = place.firstElementChild;
  plain.append(plain.textContent ? text : text.trimStart()); // a space in front is no indentation
  if (follow) window.scrollTo(0, document.body.scrollHeight);
}

// What a response brings. `sent`: whether it answers what stands in the composer.
async function receive(ask, sent = false) {
  say("");
  working(true);
  let begun = false;
  let ended = false;
  try {
    const response = await ask;
    if (!response.headers.get("content-type")?.startsWith("text/event-stream")) {
      const problem = await response.json().catch(() => ({}));
      say(problem.detail ?? "The message could not be sent. Try again.");
      return;
    }
    for await (const { name, data } of events(response.body)) {
      if (name === "start") {
        begun = true;
        if (sent) field.value = "";
        start(JSON.parse(data));
      } else if (name === "piece") write(data);
      else if (name === "end") {
        ended = true;
        const follow = nearEnd();
        showThread(data);
        if (follow) document.getElementById("latest")?.scrollIntoView({ block: "nearest" });
      }
    }
  } catch {
    if (!leaving) say(begun ? "The connection broke off. The answer goes on, and is kept." : "There is no connection. Try again.");
  } finally {
    working(false);
    if (begun && !ended && !leaving) setTimeout(reload, 1000); // broken off: the server has what was written
    if (sent) field.focus();
  }
}

const send = (form) =>
  receive(
    fetch(form.action, {
      method: "POST",
      body: new URLSearchParams(new FormData(form)),
      headers: { Accept: "text/event-stream, application/json" },
    }),
    form === composer,
  );

// An answer that was begun elsewhere, or before the connection broke off
function follow() {
  const address = document.getElementById("thread").dataset.follow;
  if (address && !running) receive(fetch(address));
}

async function stop() {
  const address = document.getElementById("thread").dataset.stopAt;
  if (!address) return;
  const body = new URLSearchParams({ csrf_token: composer.elements.csrf_token.value });
  await fetch(address, { method: "POST", body, headers: { "HX-Request": "true" } }).catch(() => say("There is no connection. Try again."));
}

async function reload() {
  const response = await fetch(location.pathname, { headers: { "HX-Request": "true" } }).catch(() => null);
  if (!response?.ok) return;
  showThread(await response.text());
  follow();
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("form[data-chat]")) return;
  event.preventDefault();
  if (!running) send(event.target);
});

field.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    composer.requestSubmit();
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && running) stop();
});

field.addEventListener("input", () => {
  const over = field.value.length - Number(field.dataset.most);
  say(over > 0 ? `This is ${over.toLocaleString()} characters longer than what can be sent at once.` : "");
});

stopButton.addEventListener("click", stop);
follow();
