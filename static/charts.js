// The panels of templates/shared/charts.html (what they say is made by app/web/charts.py): loads their points, and hands
// on new ones, which arrive as the page's event "hone:points" ({curve: [[x], [y]]}) and belong to the only source.

import { Chart } from "./charts/chart.js";
import { number } from "./charts/tools.js";

const panels = [];

class ChartPanel {
  constructor(element, index) {
    this.element = element;
    this.view = JSON.parse(element.querySelector('script[type="application/json"]').textContent);
    this.view.key = `panel-${index}`;
    this.charts = [...element.querySelectorAll("[data-chart]")].map(
      (figure) => new Chart(figure, this.view.charts[figure.dataset.chart], this.view),
    );
    this.asked = new Set();
    this.#smoothing();
    const folded = (chart) => chart.figure.closest("details.fold:not([open])");
    this.load(this.charts.filter((chart) => !folded(chart)));
    element.querySelector("details.fold")?.addEventListener("toggle", () => this.load(this.charts));
  }

  // The points of the curves that these charts want and nobody has asked for yet.
  async load(charts) {
    const wanted = [...new Set(charts.flatMap((chart) => chart.view.curves.map((curve) => curve.name)))].filter((name) => !this.asked.has(name));
    if (!wanted.length) return;
    wanted.forEach((name) => this.asked.add(name));
    await Promise.all(
      this.view.sources.map(async (source) => {
        if (source.points) return this.add(source.key, source.points);
        const url = new URL(source.url, location.href);
        wanted.forEach((name) => url.searchParams.append("curve", name));
        const answer = await fetch(url, { headers: { Accept: "application/json" } }).catch(() => null);
        if (answer?.ok) return this.add(source.key, await answer.json());
        wanted.forEach((name) => this.asked.delete(name));
        this.#failed();
      }),
    );
    this.#waiting(this.charts.every((chart) => chart.empty));
  }

  add(source, points) {
    for (const chart of this.charts) chart.add(source, points);
    if (Object.keys(points).length) this.#waiting(false);
  }

  #waiting(still) {
    this.element.querySelector(".waiting").hidden = !still;
  }

  #failed() {
    if (this.element.querySelector(".failed")) return;
    const notice = Object.assign(document.createElement("p"), { className: "notice warn failed", textContent: "Some curves could not be loaded. " });
    const again = Object.assign(document.createElement("button"), { type: "button", className: "small", textContent: "Try again" });
    again.addEventListener("click", () => {
      notice.remove();
      this.load(this.charts);
    });
    notice.append(again);
    this.element.prepend(notice);
  }

  #smoothing() {
    const field = this.element.querySelector(".smoothing");
    if (!field) return;
    field.hidden = false;
    const [range, said] = [field.querySelector("input"), field.querySelector("output")];
    const apply = () => {
      const weight = Number(range.value);
      said.textContent = weight ? number(weight) : "off";
      for (const chart of this.charts) {
        chart.smoothing = weight;
        chart.redraw();
      }
    };
    range.addEventListener("input", apply);
    if (range.value !== "0") apply(); // kept by the browser over a reload
  }
}

function draw() {
  for (const element of document.querySelectorAll("[data-charts]:not([data-drawn])")) {
    element.dataset.drawn = "";
    panels.push(new ChartPanel(element, panels.length));
  }
}
draw();
document.addEventListener("htmx:after:swap", draw); // what takes long to count comes later, see templates/shared/later.html

document.addEventListener("hone:points", ({ detail }) => {
  if (document.querySelector("[data-charts-later]")) return location.reload(); // the first points: charts are drawn by the page
  for (const panel of panels) if (panel.view.sources.length === 1) panel.add(panel.view.sources[0].key, detail);
});

const rebuild = () => panels.forEach((panel) => panel.charts.forEach((chart) => chart.rebuild()));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", rebuild);
new MutationObserver(rebuild).observe(document.documentElement, { attributeFilter: ["data-theme"] });
