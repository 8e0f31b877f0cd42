"use strict";
// What the pages of runs, sweeps and comparisons share: their data, numbers, colours and charts (uPlot draws them).

const DATA = JSON.parse(document.getElementById("data").textContent);
const KINDS = { f4: Float32Array, u1: Uint8Array };

/** An array that Python has packed as base64, little-endian; null stays null. */
function unpack(packed) {
  if (!packed) return null;
  const text = atob(packed.data), bytes = new Uint8Array(text.length);
  for (let k = 0; k < text.length; k++) bytes[k] = text.charCodeAt(k);
  return new KINDS[packed.kind](bytes.buffer);
}

const byId = name => document.getElementById(name);

/** A number in a few characters, as the tables have it. */
function show(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (value === 0 || (size >= 1e-2 && size < 1e4)) return String(Number(value.toPrecision(4)));
  return value.toExponential(2);
}

const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";
/** A tick of an axis: powers of ten as such. */
function tick(value) {
  if (value === null || value === undefined) return "";
  const size = Math.abs(value);
  if (value === 0 || (size >= 1e-3 && size < 1e5)) return String(Number(value.toPrecision(6)));
  const [mantissa, exponent] = value.toExponential().split("e").map(Number);
  const raised = (exponent < 0 ? "⁻" : "") + [...String(Math.abs(exponent))].map(digit => RAISED[digit]).join("");
  const factor = Number(mantissa.toPrecision(3));
  return (factor === 1 ? "" : factor === -1 ? "−" : factor + "·") + "10" + raised;
}

// --- colours ---------------------------------------------------------------------------------------------------------

/** A colour of the page's style by its name, which differs between light and dark; or a colour as it is. */
function paint(name) {
  return name.startsWith("#") ? name : getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
}

const VIRIDIS = ["#440154", "#482475", "#414487", "#355f8d", "#2a788e", "#21918c", "#22a884", "#44bf70", "#7ad151", "#bddf26", "#fde725"];
const DIVERGING = ["#0d2a4d", "#2a5f93", "#7fadcb", "#f6f3ee", "#e3a07f", "#b4452f", "#5c1420"];
const CATEGORICAL = ["network", "reference", "second", "third", "fourth", "error", "faint"]; // of the style

const parts = colour => [1, 3, 5].map(at => parseInt(colour.slice(at, at + 2), 16));

/** 256 colours between the given ones, as red, green, blue of each. */
function ramp(colours) {
  const found = new Uint8Array(3 * 256), last = colours.length - 1;
  for (let k = 0; k < 256; k++) {
    const at = Math.min(last - 1e-9, k / 255 * last), left = Math.floor(at), share = at - left;
    const [a, b] = [parts(colours[left]), parts(colours[left + 1])];
    for (let c = 0; c < 3; c++) found[3 * k + c] = Math.round(a[c] + share * (b[c] - a[c]));
  }
  return found;
}

const rgb = (colours, share) => {
  const k = 3 * Math.round(255 * Math.min(1, Math.max(0, share)));
  return `rgb(${colours[k]},${colours[k + 1]},${colours[k + 2]})`;
};

/** A scale of magnitudes: up to the largest, from the 2nd percentile but within 2 to `decades` decades below. */
function logScale(values, decades = 6) {
  const known = values.filter(value => value > 0 && Number.isFinite(value)).sort();
  if (!known.length) return [1e-17, 1e-15];
  const top = known[known.length - 1], low = known[Math.floor(0.02 * known.length)];
  return [Math.max(Math.min(low, top / 100), top / 10 ** decades), top];
}

// --- logarithmic axes: uPlot's own ticks do not end below 1e-16 ------------------------------------------------------

const decade = exponent => Number("1e" + exponent);

/** Whole decades around the values; less where they all lie in one. */
function logRange(low, top) {
  if (!(low > 0)) return [0.1, 1];
  if (top < 10 * low) return [low / 1.3, top * 1.3];
  return [decade(Math.floor(Math.log10(low))), decade(Math.ceil(Math.log10(top)))];
}

/** At most about `most` ticks: powers of ten, and 2 and 5 times these where there are few. */
function logTicks(low, top, most) {
  if (top < 10 * low) { // within a decade as on a linear axis
    const rough = (top - low) / Math.min(most, 6), unit = decade(Math.floor(Math.log10(rough)));
    const step = [1, 2, 5, 10].map(factor => factor * unit).find(size => size >= rough);
    const first = Math.ceil(low / step);
    return Array.from({ length: Math.max(1, Math.floor(top / step) - first + 1) }, (_, k) => Number(((first + k) * step).toPrecision(12)));
  }
  const first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(top)), every = Math.ceil((last - first + 1) / most);
  const found = [], factors = 3 * (last - first) <= most ? [1, 2, 5] : [1];
  for (let exponent = Math.ceil(first / every) * every; exponent <= last; exponent += every) {
    for (const factor of factors) found.push(Number(factor + "e" + exponent));
  }
  return found.filter(value => value >= low * (1 - 1e-9) && value <= top * (1 + 1e-9));
}

// --- charts ----------------------------------------------------------------------------------------------------------

const drawn = [];
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn.forEach(one => one.draw()));
new ResizeObserver(() => drawn.forEach(one => one.fit())).observe(document.body);

/**
 * A chart in the box of a figure that the page holds.
 *
 * figure: the <figure>; its buttons with data-log="x" or "y" make that axis logarithmic.
 * spec: { x: {label, range}, y: {label, range}, series: [{name, colour, dash, width, dots, group}], data,
 *         made(u), before(u), after(u), placed(), quiet, still, bare, nearest, tell, at }, where data is [x, ...y] with null
 *         where there is no value and undefined where a line goes on over it. `made` is called with each new plot, `before`
 *         and `after` draw under and over the lines, `placed` follows. quiet: no readout; still: no enlarging; bare: no grid;
 *         nearest: the line next to the pointer stands out, and `tell` says in HTML what it is; at: whose values are read.
 */
class Chart {
  constructor(figure, spec) {
    this.figure = figure;
    this.box = figure.querySelector(".plot");
    this.readout = spec.quiet ? null : figure.querySelector(".readout");
    this.spec = spec;
    for (const button of figure.querySelectorAll("[data-log]")) {
      button.onclick = () => {
        button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") !== "true");
        this.draw();
      };
    }
    drawn.push(this);
    this.draw();
  }

  isLog(axis) {
    return this.spec[axis].log || !!this.figure.querySelector(`[data-log=${axis}][aria-pressed=true]`);
  }

  /** The data as the axes can show them. */
  data() {
    const [x, y] = [this.isLog("x"), this.isLog("y")];
    let [places, ...lines] = this.spec.data;
    if (y) lines = lines.map(line => Array.from(line, value => value > 0 ? value : value === undefined ? undefined : null));
    if (!x || places[0] > 0) return [places, ...lines];
    const keep = Array.from(places, (_, k) => k).filter(k => places[k] > 0);
    return [places, ...lines].map(line => keep.map(k => line[k]));
  }

  setData(data) {
    this.spec.data = data;
    this.plot.setData(this.data(), !this.spec.y.range);
    this.tell();
  }

  draw() {
    this.plot?.destroy();
    const { spec } = this, [xLog, yLog] = [this.isLog("x"), this.isLog("y")];
    const axis = (name, log, size) => ({
      label: spec[name].label, labelSize: 16, labelGap: 0, labelFont: "12px system-ui, sans-serif", font: "11px system-ui, sans-serif",
      size, stroke: paint("ink"), grid: { stroke: paint("line"), width: 1, show: !spec.bare },
      ticks: { stroke: paint("line"), width: 1, size: 4 }, gap: 3,
      space: name === "x" ? 55 : 30,
      values: (u, splits) => splits.map(tick),
      ...(log && {
        splits: (u, _, low, top) => logTicks(low, top, (name === "x" ? u.bbox.width / 60 : u.bbox.height / 26) / devicePixelRatio),
        filter: (u, splits) => splits,
      }),
      ...(spec[name].axis || {}),
    });
    const scale = (name, log) => ({ time: false, distr: log ? 3 : 1,
      range: spec[name].range ?? (log ? (u, low, top) => logRange(Math.max(low, top / (spec[name].most ?? Infinity)), top) : undefined) });
    const hooks = {
      init: [u => spec.made?.(u)], drawClear: [u => spec.before?.(u)], draw: [u => { spec.after?.(u); spec.placed?.(); }],
      setCursor: [() => this.tell()],
    };
    this.plot = new uPlot({
      width: this.box.clientWidth, height: this.box.clientHeight, padding: [8, 12, 0, 0],
      scales: { x: scale("x", xLog), y: scale("y", yLog) },
      axes: [axis("x", xLog, 28), axis("y", yLog, 56)],
      series: [{}, ...spec.series.map(one => ({
        label: one.name, stroke: paint(one.colour), width: one.width ?? 1.6, dash: one.dash, spanGaps: false,
        points: { show: !!one.dots, size: 5, fill: paint(one.colour) }, show: one.show ?? true,
      }))],
      legend: { show: false },
      cursor: { points: { size: 7 }, drag: { x: !spec.still, y: false, setScale: !spec.still }, x: !spec.still, y: false,
        ...(spec.nearest && { focus: { prox: 30 }, hover: { prox: 30 } }) },
      focus: { alpha: spec.nearest ? 0.25 : 1 },
      hooks: { ...hooks, ...(spec.nearest && { setSeries: [(u, index) => { this.nearest = index; this.tell(); }] }) },
    }, this.data(), this.box);
    this.tell(true);
  }

  fit() {
    const width = this.box.clientWidth;
    if (width && width !== this.plot.width) this.plot.setSize({ width, height: this.box.clientHeight });
  }

  /** Names and values under the chart, at the pointer; the last ones where it is elsewhere. */
  tell(anew = false) {
    if (!this.readout || !this.plot) return;
    if (this.spec.tell) return void (this.readout.innerHTML = this.spec.tell(this.plot, this.nearest));
    const { series } = this.spec;
    if (anew || !this.values) {
      this.readout.innerHTML = `<span>${this.spec.x.short ?? this.spec.x.label} <b></b></span>` + series.map(one =>
        `<span><i style="background:${paint(one.colour)}"></i><span></span> <b></b></span>`).join("");
      this.readout.querySelectorAll("i + span").forEach((name, k) => { name.textContent = series[k].name; }); // text, not HTML
      this.values = this.readout.querySelectorAll("b");
    }
    const [places, ...lines] = this.plot.data, last = places.length - 1;
    const at = this.spec.at ? this.spec.at() : this.plot.cursor.idx ?? last;
    this.values[0].textContent = show(places[at]);
    lines.forEach((line, k) => {
      let seen = at;
      while (seen > 0 && line[seen] === undefined) seen--; // the latest that was measured
      this.values[k + 1].textContent = show(line[seen]);
    });
  }
}

/** Let the pointer, or a finger that moves sideways, choose a place of a chart: `choose` gets its values of x and y. */
function follow(plot, choose) {
  const move = event => {
    const box = plot.over.getBoundingClientRect();
    choose(plot.posToVal(event.clientX - box.left, "x"), plot.posToVal(event.clientY - box.top, "y"));
  };
  plot.over.addEventListener("pointermove", move);
  plot.over.addEventListener("pointerdown", move);
}

/** A dashed line over a chart; the function moves it to a value of x or y. */
function mark(plot, axis, kind) {
  const line = document.createElement("div");
  line.className = "mark " + kind;
  plot.over.append(line);
  return value => { line.style[axis === "x" ? "left" : "top"] = plot.valToPos(value, axis) + "px"; };
}

for (const button of document.querySelectorAll("button[data-copies]")) {
  button.onclick = async () => {
    const text = byId(button.dataset.copies).textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch { // not from a file in every browser
      getSelection().selectAllChildren(byId(button.dataset.copies));
      document.execCommand("copy");
    }
    button.textContent = "copied";
    setTimeout(() => { button.textContent = "copy"; }, 1500);
  };
}
