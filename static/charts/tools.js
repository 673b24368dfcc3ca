// What charts need beside uPlot: numbers as people read them, smoothing, the theme's colours, a picture to keep.

export const DASHES = [[], [6, 4], [2, 3], [10, 4, 2, 4]];

export function number(value) {
  if (value == null) return "–";
  const size = Math.abs(value);
  return size !== 0 && (size < 0.001 || size >= 100000) ? value.toExponential(2) : String(+value.toFixed(4));
}

// Exponential moving average that begins unbiased (Kingma & Ba 2015, section 3); weight 0 leaves the values as they are.
export function smoothed(values, weight) {
  let mean = 0;
  let seen = 1;
  return values.map((value) => {
    if (value == null) return value;
    mean = weight * mean + (1 - weight) * value;
    seen *= weight;
    return mean / (1 - seen);
  });
}

// A colour by its custom property. light-dark() is resolved by the browser only where a property uses it.
export function colour(name) {
  const probe = document.createElement("span");
  probe.className = "visually-hidden";
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

export function svgLine(stroke, dash) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
  const given = { viewBox: "0 0 28 10", width: 28, height: 10, "aria-hidden": "true" };
  for (const [name, value] of Object.entries(given)) svg.setAttribute(name, value);
  const drawn = { x1: 0, x2: 28, y1: 5, y2: 5, stroke, "stroke-width": 2.5, "stroke-dasharray": dash.join(" ") };
  for (const [name, value] of Object.entries(drawn)) line.setAttribute(name, value);
  svg.append(line);
  return svg;
}

// The plot with its title above and what its lines mean below. rows: [{ colour, dash, text }].
export function picture(plot, title, rows) {
  const ratio = devicePixelRatio;
  const [pad, line] = [16, 22];
  const width = plot.width + 2 * pad;
  const height = plot.height + 2 * pad + line * (rows.length + 1);
  const canvas = Object.assign(document.createElement("canvas"), { width: width * ratio, height: height * ratio });
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.fillStyle = colour("--surface");
  pen.fillRect(0, 0, width, height);
  pen.textBaseline = "middle";
  pen.fillStyle = colour("--ink");
  const family = getComputedStyle(document.body).fontFamily;
  pen.font = `600 15px ${family}`;
  pen.fillText(title, pad, pad + line / 2);
  pen.drawImage(plot.ctx.canvas, pad, pad + line, plot.width, plot.height);
  pen.font = `13px ${family}`;
  pen.lineWidth = 2.5;
  rows.forEach((row, index) => {
    const y = pad + line + plot.height + line * (index + 0.5) + 4;
    pen.strokeStyle = row.colour;
    pen.setLineDash(row.dash);
    pen.beginPath();
    pen.moveTo(pad, y);
    pen.lineTo(pad + 28, y);
    pen.stroke();
    pen.fillText(row.text, pad + 38, y);
  });
  return canvas;
}

export function save(canvas, name) {
  canvas.toBlob((blob) => {
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  });
}
