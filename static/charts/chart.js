// One chart: a figure of templates/shared/charts.html, its lines, its legend and its tools. Knows no page and no stream.
// A line is a curve of a source. Its points may come in any order and more than once; they are drawn once a frame.
// Values that are not finite are null and a gap; where a line has no point at an x, it is drawn across.

import { colour, DASHES, number, picture, save, smoothed, svgLine } from "./tools.js";

const INTEGERS = Array.from({ length: 16 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat();

export class Chart {
  constructor(figure, view, panel) {
    Object.assign(this, { figure, view, panel, plot: null, log: false, smoothing: 0, queued: false });
    this.place = figure.querySelector(".plot");
    this.lines = panel.sources.flatMap((source) =>
      view.curves.map((curve, index) => ({
        source: source.key,
        curve: curve.name,
        label: this.#label(source, curve),
        help: curve.help,
        colour: `--curve-${panel.byCurve ? index % 12 : source.colour}`,
        dash: DASHES[panel.byCurve ? 0 : index % DASHES.length],
        points: new Map(),
        shown: true,
      })),
    );
    this.#tools();
    this.#crosshairByKeys();
    figure.hidden = true; // until there is something to see
    new ResizeObserver(() => this.#resize()).observe(this.place);
  }

  get empty() {
    return this.lines.every((line) => !line.points.size);
  }

  #label(source, curve) {
    if (this.panel.sources.length === 1) return curve.label;
    return this.view.curves.length === 1 ? source.label : `${source.label}: ${curve.label}`;
  }

  add(source, points) {
    let changed = false;
    for (const line of this.lines) {
      const given = line.source === source && points[line.curve];
      if (!given) continue;
      given[0].forEach((x, index) => line.points.set(x, given[1][index]));
      changed = true;
    }
    if (changed) this.redraw();
  }

  redraw() {
    if (this.queued) return;
    this.queued = true;
    requestAnimationFrame(() => {
      this.queued = false;
      this.#draw();
    });
  }

  rebuild() {
    this.built = null;
    this.redraw();
  }

  #draw() {
    const lines = this.lines.filter((line) => line.points.size);
    this.figure.hidden = !lines.length;
    if (!lines.length) return;
    const across = [...new Set(lines.flatMap((line) => [...line.points.keys()]))].sort((a, b) => a - b);
    let lost = 0;
    const raw = lines.map((line) =>
      across.map((x) => {
        const value = line.points.get(x);
        if (!this.log || value == null || value > 0) return value;
        lost += 1;
        return null;
      }),
    );
    this.note.textContent = lost ? `${lost} values at or below 0 have no place on a log scale.` : "";
    const data = [across, ...raw.flatMap((values) => [this.smoothing ? values : values.map(() => undefined), smoothed(values, this.smoothing)])];
    const shape = JSON.stringify([lines.map((line) => line.label), this.log, this.smoothing > 0]);
    if (this.plot && this.built === shape) {
      this.plot.setData(data, !this.zoomed);
      if (this.zoomed) this.plot.redraw();
    } else {
      this.plot?.destroy();
      this.drawn = lines;
      this.plot = this.#build(data, lines);
      this.built = shape;
      this.#legend();
    }
    this.#values();
  }

  #build(data, lines) {
    const soft = colour("--ink-soft");
    const font = `12px ${getComputedStyle(document.body).fontFamily}`;
    const axis = { stroke: soft, grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font, labelFont: font };
    const sparse = (line) => line.points.size < 40;
    this.zoomed = false;
    return new uPlot(
      {
        ...this.#size(),
        legend: { show: false },
        cursor: {
          y: false,
          sync: { key: this.panel.key, scales: ["x", null], setSeries: false },
          points: { size: 7 },
        },
        scales: { x: { time: this.panel.time }, y: { distr: this.log ? 3 : 1 } },
        axes: [
          this.panel.time
            ? { ...axis, size: 34 }
            : { ...axis, size: 34, incrs: INTEGERS, values: (_, ticks) => ticks.map((tick) => tick.toLocaleString("en").replaceAll(",", "\u202f")) },
          { ...axis, size: 60, values: (_, ticks) => ticks.map((tick) => (tick == null ? "" : number(tick))) },
        ],
        series: [
          {},
          ...lines.flatMap((line) => {
            const look = { stroke: colour(line.colour), dash: line.dash, show: line.shown };
            return [
              { ...look, width: 1, alpha: 0.3, points: { show: false } },
              { ...look, width: 2, points: { show: sparse(line), size: 5 } },
            ];
          }),
        ],
        hooks: {
          setCursor: [() => this.#values()],
          setScale: [
            (plot, key) => {
              if (key !== "x" || !plot.data[0].length) return;
              const [low, high] = [plot.data[0][0], plot.data[0].at(-1)];
              this.zoomed = low < high && (plot.scales.x.min > low || plot.scales.x.max < high);
              this.whole.hidden = !this.zoomed;
            },
          ],
        },
      },
      data,
      this.place,
    );
  }

  #size() {
    const large = this.figure.closest("dialog");
    const small = this.figure.closest(".charts.small");
    return { width: Math.max(200, this.place.clientWidth), height: large ? Math.max(220, innerHeight - 320) : small ? 170 : 250 };
  }

  #resize() {
    const size = this.#size();
    if (this.plot && this.place.clientWidth && (size.width !== this.plot.width || size.height !== this.plot.height)) this.plot.setSize(size);
  }

  #legend() {
    const list = this.figure.querySelector(".legend");
    list.replaceChildren(
      ...this.drawn.map((line, index) => {
        const button = document.createElement("button");
        Object.assign(button, { type: "button", className: "line", title: line.help });
        button.setAttribute("aria-pressed", String(line.shown));
        line.value = document.createElement("span");
        line.value.className = "number";
        const label = document.createElement("bdi");
        label.textContent = line.label;
        button.append(svgLine(colour(line.colour), line.dash), label, line.value);
        button.addEventListener("click", () => {
          line.shown = !line.shown;
          button.setAttribute("aria-pressed", String(line.shown));
          for (const series of [2 * index + 1, 2 * index + 2]) this.plot.setSeries(series, { show: line.shown });
        });
        return button;
      }),
      this.at,
    );
  }

  // What the lines are at the crosshair, or where they have come to.
  #values() {
    if (!this.plot) return;
    const index = this.plot.cursor.idx ?? this.plot.data[0].length - 1;
    const x = this.plot.data[0][index];
    const long = this.plot.data[0].at(-1) - this.plot.data[0][0] > 2 * 86_400;
    const known = this.plot.cursor.idx == null ? (value) => value != null : (value) => value !== undefined;
    const when = () => new Date(x * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: long ? undefined : "short" });
    this.at.textContent = this.panel.time ? when() : `${this.panel.x} ${x}`;
    this.drawn.forEach((line, place) => {
      const values = this.plot.data[2 * place + 2];
      let last = index;
      while (last >= 0 && !known(values[last])) last -= 1; // a rarer line: its last point before
      line.value.textContent = number(values[last]);
    });
  }

  #tools() {
    const tools = this.figure.querySelector(".tools");
    const add = (text, click) => {
      const button = Object.assign(document.createElement("button"), { type: "button", className: "small quiet", textContent: text });
      button.addEventListener("click", () => click(button));
      tools.append(button);
      return button;
    };
    const scale = add("Log scale", () => {
      this.log = !this.log;
      scale.setAttribute("aria-pressed", String(this.log));
      this.rebuild();
    });
    scale.setAttribute("aria-pressed", "false");
    add("PNG", () => {
      const rows = this.drawn.filter((line) => line.shown).map((line) => ({ colour: colour(line.colour), dash: line.dash, text: line.label }));
      const title = this.view.unit ? `${this.view.title} (${this.view.unit})` : this.view.title;
      save(picture(this.plot, title, rows), `${this.view.title.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}.png`);
    });
    this.enlarge = add("Enlarge", () => this.#enlarge());
    this.whole = add("Whole range", () => {
      this.zoomed = false;
      this.redraw();
    });
    this.whole.hidden = true;
    this.at = Object.assign(document.createElement("span"), { className: "muted number at" });
    this.note = Object.assign(document.createElement("p"), { className: "muted small note" });
    this.figure.querySelector(".legend").after(this.note);
  }

  #enlarge() {
    const open = this.figure.closest("dialog");
    if (open) return open.close();
    const dialog = Object.assign(document.createElement("dialog"), { className: "chart-dialog" });
    dialog.setAttribute("aria-label", this.view.title);
    const gap = document.createElement("div");
    this.figure.replaceWith(gap);
    dialog.append(this.figure);
    document.body.append(dialog);
    dialog.addEventListener("close", () => {
      gap.replaceWith(this.figure);
      dialog.remove();
      this.enlarge.textContent = "Enlarge";
      this.#resize();
      this.enlarge.focus();
    });
    dialog.showModal();
    this.enlarge.textContent = "Close";
    this.#resize();
    this.enlarge.focus();
  }

  // The crosshair without a mouse: arrow keys, Home and End.
  #crosshairByKeys() {
    this.place.tabIndex = 0;
    this.place.setAttribute("role", "group");
    this.place.setAttribute("aria-label", `${this.view.title}: arrow keys move the crosshair`);
    this.place.addEventListener("keydown", (event) => {
      const last = this.plot ? this.plot.data[0].length - 1 : -1;
      const now = this.plot?.cursor.idx ?? last;
      const stride = Math.max(1, event.shiftKey ? Math.round(last / 20) : 1);
      const to = { ArrowLeft: now - stride, ArrowRight: now + stride, Home: 0, End: last }[event.key];
      if (to === undefined || last < 0) return;
      event.preventDefault();
      const x = this.plot.data[0][Math.min(last, Math.max(0, to))];
      this.plot.setCursor({ left: this.plot.valToPos(x, "x"), top: this.plot.over.clientHeight / 2 }, true, true);
    });
  }
}
