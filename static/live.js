// Pages that follow the server: an element with data-live="<address>" opens that stream of server-sent events.
//   data-live-<event>="<id>"   the event's HTML replaces the content of #<id>; one with data-follows stays at its end
//   event `state`              a changed word fetches data-state-url into #data-state-target (forms carry a token of
//                              their reader, so they are not in the stream), and reloads when a run has ended
//   event `sampled`            adds its step to the choice of samples, and shows it to who looks at the newest ones
//   event `points`             is handed on as the page's event "hone:points"
// Without it the pages show the state of the moment they were loaded.

const ENDED = ["succeeded", "failed", "cancelled"];

function swap(target, html) {
  const open = new Set([...target.querySelectorAll("details[open][data-keep]")].map((each) => each.dataset.keep));
  const place = target.contains(document.activeElement) ? document.activeElement.closest("[data-keep]")?.dataset.keep : null;
  const atEnd = target.scrollTop + target.clientHeight >= target.scrollHeight - 4;
  target.innerHTML = html;
  if (atEnd && "follows" in target.dataset) target.scrollTop = target.scrollHeight;
  for (const each of target.querySelectorAll("details[data-keep]")) {
    each.open = open.has(each.dataset.keep);
    if (each.dataset.keep === place) each.querySelector("summary").focus();
  }
}

function addStep(step) {
  const steps = document.querySelector("select[data-steps]");
  if (!steps) return document.querySelector("[data-samples-later]") && location.reload(); // the first samples
  if ([...steps.options].some((option) => option.value === step)) return;
  const follows = steps.selectedIndex === steps.length - 1;
  steps.add(new Option(step, step));
  if (!follows) return;
  steps.value = step;
  steps.dispatchEvent(new Event("change"));
}

addEventListener("pageshow", (event) => event.persisted && location.reload()); // streams do not survive the back button

function follow(element) {
  const source = new EventSource(element.dataset.live);
  for (const [name, id] of Object.entries(element.dataset)) {
    if (!name.startsWith("live") || name === "live") continue;
    const event = name.slice(4).toLowerCase();
    source.addEventListener(event, ({ data }) => swap(document.getElementById(id), data));
  }
  source.addEventListener("points", ({ data }) => {
    document.dispatchEvent(new CustomEvent("hone:points", { detail: JSON.parse(data) }));
  });
  source.addEventListener("sampled", ({ data }) => addStep(data));
  source.addEventListener("state", ({ data }) => {
    if (data === element.dataset.state) return;
    const before = element.dataset.state;
    element.dataset.state = data;
    if (ENDED.includes(data) && !ENDED.includes(before)) {
      source.close();
      location.reload(); // what the run made, its summary and its log are part of the page
    } else if (element.dataset.stateUrl) {
      htmx.ajax("GET", element.dataset.stateUrl, { target: `#${element.dataset.stateTarget}`, swap: "innerHTML" });
    }
  });
  source.addEventListener("replaced", () => { // newer pages of this person took the place: go on once looked at again
    source.close();
    const resume = () => {
      if (document.hidden) return;
      document.removeEventListener("visibilitychange", resume);
      follow(element);
    };
    document.addEventListener("visibilitychange", resume);
  });
  addEventListener("pagehide", () => source.close());
}

document.querySelectorAll("[data-follows]").forEach((each) => (each.scrollTop = each.scrollHeight));
document.querySelectorAll("[data-live]").forEach(follow);
