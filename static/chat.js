// Answers as they are written. A form marked data-chat is sent by fetch and answered with server-sent events:
// `start` (JSON: url, title, thread), `piece` (text), `end` (the thread as HTML). Without this file the same forms
// work as they are: the page comes back once the answer is whole.

const composer = document.getElementById("composer");
const field = document.getElementById("content");
const error = document.getElementById("composer-error");
const sendButton = composer.querySelector("[data-send]");
const stopButton = composer.querySelector("[data-stop]");
let running = null;

function say(text) {
  error.textContent = text;
  error.hidden = !text;
}

function working(controller) {
  running = controller;
  sendButton.hidden = Boolean(controller);
  stopButton.hidden = !controller;
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

function start({ url, title, thread }) {
  showThread(thread);
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

async function send(form) {
  const controller = new AbortController();
  const sent = form === composer ? field.value : null;
  say("");
  working(controller);
  let begun = false;
  let ended = false;
  try {
    const response = await fetch(form.action, {
      method: "POST",
      body: new URLSearchParams(new FormData(form)),
      headers: { Accept: "text/event-stream, application/json" },
      signal: controller.signal,
    });
    if (!response.headers.get("content-type")?.startsWith("text/event-stream")) {
      const problem = await response.json().catch(() => ({}));
      say(problem.detail ?? "The message could not be sent. Try again.");
      return;
    }
    for await (const { name, data } of events(response.body)) {
      if (name === "start") {
        begun = true;
        if (sent !== null) field.value = "";
        start(JSON.parse(data));
      } else if (name === "piece") write(data);
      else if (name === "end") {
        ended = true;
        const follow = nearEnd();
        showThread(data);
        if (follow) document.getElementById("latest")?.scrollIntoView({ block: "nearest" });
      }
    }
  } catch (failure) {
    if (failure.name !== "AbortError")
      say(begun ? "The connection broke off. What was written so far is kept." : "There is no connection. Try again.");
  } finally {
    working(null);
    if (begun && !ended) setTimeout(reload, 300); // stopped or broken off: the server has what was written
    if (form === composer) field.focus();
  }
}

async function reload() {
  const response = await fetch(location.pathname, { headers: { "HX-Request": "true" } }).catch(() => null);
  if (response?.ok) showThread(await response.text());
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
  if (event.key === "Escape" && running) running.abort();
});

field.addEventListener("input", () => {
  const over = field.value.length - Number(field.dataset.most);
  say(over > 0 ? `This is ${over.toLocaleString()} characters longer than what can be sent at once.` : "");
});

stopButton.addEventListener("click", () => running?.abort());
