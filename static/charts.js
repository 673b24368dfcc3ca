// Curves of runs with uPlot. A [data-charts] names its sources (address of the points of a run) and holds figures that
// name their curves in data-names; new points arrive as the page's event "hone:points". Colours come from the theme.

const COLOURS = ["--accent", "--info", "--warn", "--bad", "--ok", "--ink-soft", "--line-strong", "--ink"];

const style = () => getComputedStyle(document.documentElement);
const colour = (name) => {
  // light-dark() is resolved by the browser only where a property uses it
  const probe = document.createElement("span");
  probe.className = "visually-hidden";
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
};

const number = (value) => {
  if (value == null) return "–";
  const size = Math.abs(value);
  return size !== 0 && (size < 0.001 || size >= 100000) ? value.toExponential(2) : String(+value.toFixed(4));
};

class Chart {
  constructor(figure, sources) {
    this.figure = figure;
    this.curves = [];
    const names = figure.dataset.names.split(" ");
    const several = sources.length > 1; // then a colour is a run, and dashes tell its curves apart
    sources.forEach((source, run) =>
      names.forEach((name, index) =>
        this.curves.push({
          source,
          name,
          label: several ? `${name} (run ${source})` : name,
          colour: COLOURS[(several ? run : index) % COLOURS.length],
          dash: several && index > 0 ? [6, 4] : undefined,
          points: new Map(),
        }),
      ),
    );
    this.plot = null;
    this.shown = 0;
    new ResizeObserver(() => this.resize()).observe(figure.querySelector(".plot"));
  }

  add(source, points) {
    let changed = false;
    for (const curve of this.curves) {
      const given = curve.source === source && points[curve.name];
      if (!given) continue;
      given[0].forEach((step, index) => curve.points.set(step, given[1][index]));
      changed = true;
    }
    if (changed) this.draw();
  }

  draw() {
    const curves = this.curves.filter((curve) => curve.points.size);
    const steps = [...new Set(curves.flatMap((curve) => [...curve.points.keys()]))].sort((a, b) => a - b);
    // undefined: the curve has no point at this step, and a line is drawn across; null: not a finite number, a gap
    const data = [steps, ...curves.map((curve) => steps.map((step) => curve.points.get(step)))];
    if (this.plot && curves.length === this.shown) return this.plot.setData(data);
    this.plot?.destroy();
    this.shown = curves.length;
    this.plot = curves.length ? this.build(data, curves) : null;
  }

  build(data, curves) {
    const place = this.figure.querySelector(".plot");
    const axis = { stroke: colour("--ink-soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: `12px ${style().fontFamily}` };
    return new uPlot(
      {
        width: Math.max(200, place.clientWidth),
        height: 200,
        scales: { x: { time: false } },
        axes: [{ ...axis, size: 32 }, { ...axis, size: 56, values: (_, ticks) => ticks.map(number) }],
        series: [
          { label: "step", value: (plot, step) => step ?? plot.data[0].at(-1) },
          ...curves.map((curve) => ({
            label: curve.label,
            stroke: colour(curve.colour),
            dash: curve.dash,
            width: 2,
            value: (plot, value, series, index) => number(index == null ? plot.data[series].findLast((each) => each != null) : value),
            points: { show: curve.points.size < 40, size: 5 },
          })),
        ],
      },
      data,
      place,
    );
  }

  resize() {
    const width = this.figure.querySelector(".plot").clientWidth;
    if (this.plot && width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: 200 });
  }

  restyle() {
    this.shown = -1; // built anew, in the theme's colours
    this.draw();
  }
}

const charts = [];

async function load(holder) {
  const sources = [...holder.querySelectorAll(":scope > [data-source]")];
  const ids = sources.map((source) => source.dataset.source);
  const own = [...holder.querySelectorAll(".chart")].map((figure) => new Chart(figure, ids));
  charts.push(...own);
  await Promise.all(
    sources.map(async (source) => {
      const answer = await fetch(source.value, { headers: { Accept: "application/json" } });
      if (!answer.ok) return;
      const points = await answer.json();
      for (const chart of own) chart.add(source.dataset.source, points);
    }),
  );
}

for (const holder of document.querySelectorAll("[data-charts]")) load(holder);

document.addEventListener("hone:points", ({ detail }) => {
  if (document.querySelector("[data-charts-later]")) return location.reload(); // the first points: charts are drawn by the page
  for (const chart of charts) chart.add(chart.curves[0].source, detail);
});

const restyle = () => charts.forEach((chart) => chart.restyle());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", restyle);
new MutationObserver(restyle).observe(document.documentElement, { attributeFilter: ["data-theme"] });
