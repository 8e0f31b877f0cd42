"use strict";
// The page of a sweep or a comparison: tables that sort and filter, curves of what is chosen, settings side by side.
// What the reader has chosen stands in the address, so that it outlasts the page, which is read again while runs go on.

const FIRST = 6;
const state = new URLSearchParams(location.hash.slice(1));
const remember = (name, value) => {
  if (value) state.set(name, value); else state.delete(name);
  history.replaceState(null, "", "#" + state);
};
const tables = [...document.querySelectorAll("table.sorted")];
const groups = DATA.groups;

// --- sorting -----------------------------------------------------------------------------------------------------------

function sort(table, key, up) {
  const heads = [...table.tHead.rows[0].cells], index = heads.findIndex(head => head.dataset.key === key);
  if (index < 0) return;
  heads.forEach((head, k) => k === index ? head.setAttribute("aria-sort", up ? "ascending" : "descending") : head.removeAttribute("aria-sort"));
  const value = row => row.cells[index].dataset.value;
  const order = (a, b) => {
    const [s, t] = [value(a), value(b)];
    if (s === "" || t === "") return (s === "") - (t === ""); // what is unknown comes last, either way
    const [x, y] = [Number(s), Number(t)], difference = Number.isNaN(x) || Number.isNaN(y) ? s.localeCompare(t) : x - y;
    return up ? difference : -difference;
  };
  table.tBodies[0].append(...[...table.tBodies[0].rows].sort(order));
}

for (const table of tables) {
  for (const head of table.tHead.rows[0].cells) {
    head.onclick = () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      sort(table, head.dataset.key, up);
      remember("sort." + table.id, (up ? "" : "-") + head.dataset.key);
    };
    head.onkeydown = event => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); head.click(); } };
  }
  const kept = state.get("sort." + table.id);
  if (kept) sort(table, kept.replace(/^-/, ""), !kept.startsWith("-"));
}

// --- the filter --------------------------------------------------------------------------------------------------------

const COMPARED = { "<": (a, b) => a < b, ">": (a, b) => a > b, "<=": (a, b) => a <= b, ">=": (a, b) => a >= b };
const brushes = new Map();

/** What a column may be called: its key and its heading. */
const namesOf = head => [head.dataset.key, head.textContent];
const columns = new Set(tables.flatMap(table => [...table.tHead.rows[0].cells].flatMap(namesOf).map(name => name.toLowerCase())));
const plain = words => words.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Whether a row of texts and values passes every word; one about a column of the other table says nothing of it. */
function passes(row, words) {
  const text = Object.values(row).join(" ").toLowerCase();
  return words.every(word => {
    const [, name, sign, wanted] = word.match(/^([^<>=]+)(<=|>=|<|>|=)(.+)$/) || [];
    if (!sign) return text.includes(word);
    const key = Object.keys(row).find(one => one.toLowerCase() === name) ?? Object.keys(row).find(one => one.toLowerCase().endsWith(name));
    if (key === undefined && text.includes(name + "=")) return new RegExp(plain(word) + "(?![\\w.])").test(text); // a run's name
    if (key === undefined) return columns.has(name) || text.includes(word);
    if (sign === "=") return String(row[key]).toLowerCase() === wanted || (wanted !== "" && row[key] !== "" && Number(row[key]) === Number(wanted));
    return row[key] !== "" && COMPARED[sign](Number(row[key]), Number(wanted));
  });
}

const filter = byId("filter");
filter.value = state.get("filter") ?? "";
filter.oninput = () => { remember("filter", filter.value); apply(); };

function apply() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const table of tables) {
    const heads = [...table.tHead.rows[0].cells];
    let left = 0;
    for (const row of table.tBodies[0].rows) {
      const values = Object.fromEntries(heads.flatMap((head, k) => namesOf(head).map(name => [name, row.cells[k].dataset.value])));
      const seen = passes(values, words);
      row.classList.toggle("hidden", !seen);
      left += seen;
    }
    const count = byId(table.id + "-count"), all = table.tBodies[0].rows.length;
    count.textContent = left === all ? `${all}` : `${left} of ${all}`;
  }
  if (DATA.parallel) dim(words);
}

// --- curves ------------------------------------------------------------------------------------------------------------

const boxes = new Map([...document.querySelectorAll("#groups tbody tr")].map(row => [row.dataset.name, row.querySelector("input")]));
let curves = null;

function chooseGroups() {
  const kept = state.get("chosen");
  const wanted = kept === null ? groups.filter(one => one.runs.some(run => run.curve)).slice(0, FIRST).map(one => one.name) : JSON.parse(kept);
  for (const [name, box] of boxes) {
    box.checked = wanted.includes(name);
    box.onchange = () => {
      remember("chosen", JSON.stringify([...boxes].filter(([, one]) => one.checked).map(([one]) => one)));
      drawCurves();
    };
  }
  for (const choice of document.querySelectorAll("[name=over]")) {
    choice.checked = choice.value === (state.get("over") ?? "seconds");
    choice.onchange = () => { remember("over", choice.value); drawCurves(); };
  }
}

function drawCurves() {
  const over = document.querySelector("[name=over]:checked")?.value ?? "seconds";
  const chosen = groups.filter(one => boxes.get(one.name)?.checked), series = [], lines = [];
  for (const row of document.querySelectorAll("#groups tbody tr")) row.querySelector(".swatch").style.background = "";
  chosen.forEach((group, k) => {
    const colour = CATEGORICAL[k % CATEGORICAL.length], dash = [undefined, [8, 4], [2, 3]][Math.floor(k / CATEGORICAL.length) % 3];
    boxes.get(group.name).nextElementSibling.style.background = `var(--${colour})`;
    for (const run of group.runs) {
      const places = run.curve && unpack(run.curve[over]), errors = places && unpack(run.curve.error);
      if (!places) continue;
      const keep = [...places.keys()].filter(at => places[at] > 0 && errors[at] > 0);
      if (!keep.length) continue;
      lines.push([keep.map(at => places[at]), keep.map(at => errors[at])]);
      series.push({ name: run.name, link: run.link, colour, dash, width: 1.7, dots: keep.length < 40 });
    }
  });
  const figure = byId("curves"), label = { seconds: "seconds of training", evaluations: "evaluations by the optimizer" }[over];
  const spec = {
    x: { label }, y: { label: "relative L² error" }, series, nearest: true,
    data: lines.length ? uPlot.join(lines) : [[1, 10], [null, null]],
    tell: (plot, index) => {
      const one = series[index - 1], at = plot.cursor.idx;
      if (!one) return `<span>${lines.length} run${lines.length === 1 ? "" : "s"}; the line next to the pointer says its name here</span>`;
      let seen = at ?? 0;
      const values = plot.data[index];
      while (seen > 0 && (values[seen] === undefined || values[seen] === null)) seen--;
      return `<span><i style="background:${paint(one.colour)}"></i><b></b></span><span>${label} ${show(plot.data[0][seen])}</span><span>error ${show(values[seen])}</span>`;
    },
  };
  if (!lines.length) spec.series = [{ name: "", colour: "network" }];
  if (curves) {
    curves.spec = spec;
    curves.nearest = null;
    curves.draw();
  } else {
    curves = new Chart(figure, spec);
    const tell = curves.tell.bind(curves);
    curves.tell = anew => { // a run's name is text, not HTML
      tell(anew);
      const one = curves.spec.series[curves.nearest - 1], bold = curves.readout.querySelector("b");
      if (one && bold) bold.textContent = one.name;
    };
  }
}

// --- settings side by side -----------------------------------------------------------------------------------------------

let paths = [];

function drawParallel() {
  const { axes, lines } = DATA.parallel, box = byId("parallel"), height = 330, [top, bottom] = [52, height - 30];
  const width = Math.max(box.clientWidth, 104 * axes.length), [left, right] = [64, width - 70];
  const svg = element("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "settings and errors, a line for each run" });
  svg.style.setProperty("--line-width", Math.max(0.5, Math.min(1.6, 250 / lines.length)));
  const scales = axes.map((axis, k) => {
    const at = axes.length > 1 ? left + k * (right - left) / (axes.length - 1) : (left + right) / 2;
    const place = share => bottom - share * (bottom - top);
    if (axis.words) return { at, of: value => place(axis.words.length > 1 ? axis.words.indexOf(String(value)) / (axis.words.length - 1) : 0.5), ticks: axis.words };
    const known = lines.map(line => line.values[k]).filter(value => value !== null && (!axis.log || value > 0));
    const change = axis.log ? Math.log10 : value => value, [low, high] = [Math.min(...known), Math.max(...known)].map(change);
    const share = value => high > low ? (change(value) - low) / (high - low) : 0.5;
    const found = new Set(known), ticks = found.size <= 6 ? [...found]
      : axis.log ? logTicks(10 ** low, 10 ** high, 6) : [0, 1, 2, 3, 4].map(n => low + n * (high - low) / 4);
    return { at, ticks, of: value => value === null || (axis.log && !(value > 0)) ? (axis.last ? top - 18 : bottom + 18) : place(share(value)) };
  });
  const errors = lines.map(line => line.values[axes.length - 1]).filter(value => value > 0);
  const [low, high] = [Math.min(...errors), Math.max(...errors)].map(Math.log), colours = ramp(VIRIDIS.slice(2, 9).reverse());
  paths = lines.map(line => {
    const error = line.values[axes.length - 1];
    const colour = error > 0 ? rgb(colours, high > low ? (Math.log(error) - low) / (high - low) : 0.5) : "#8a8f98";
    const path = element("path", { d: scales.map((scale, k) => `${k ? "L" : "M"}${scale.at},${scale.of(line.values[k])}`).join(""), stroke: colour });
    if (!(error > 0)) path.setAttribute("stroke-dasharray", "4 4");
    const lit = on => {
      path.classList.toggle("lit", on);
      byId("parallel-readout").textContent = on ? `${line.name}: ${error > 0 ? "error " + show(error) : "no result"}` : PARALLEL_HINT;
    };
    path.onpointerenter = () => lit(true);
    path.onpointerleave = () => lit(false);
    if (line.link) path.onclick = () => { location.href = line.link; };
    svg.append(path);
    return { path, line };
  });
  axes.forEach((axis, k) => {
    const { at, ticks, of } = scales[k];
    svg.append(element("line", { x1: at, x2: at, y1: top, y2: bottom }), text(at, 14, axis.name.length > 15 ? axis.name.split(".").at(-1) : axis.name, "middle"));
    const end = k === axes.length - 1;
    for (const one of ticks) svg.append(text(at + (end ? 7 : -7), of(one) + 4, axis.words ? String(one) : tick(Number(Number(one).toPrecision(3))), end ? "start" : "end", "faint"));
    if (end && lines.some(line => !(line.values[k] > 0))) svg.append(text(at + 7, of(null) + 4, "no result", "start", "faint"));
    brush(svg, k, at, scales[k], top, bottom);
  });
  box.replaceChildren(svg);
  byId("parallel-readout").textContent = PARALLEL_HINT;
}

const PARALLEL_HINT = "Drag along an axis to keep a stretch of it, click it for all; a line says its name here, and leads to its run.";

function element(name, attributes) {
  const one = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) one.setAttribute(key, value);
  return one;
}

function text(x, y, words, anchor, kind = "") {
  const one = element("text", { x, y, "text-anchor": anchor, class: kind });
  const shown = words.length > 15 ? words.slice(0, 14) + "…" : words;
  one.textContent = shown;
  if (shown !== words) {
    const full = element("title", {});
    full.textContent = words;
    one.append(full);
  }
  return one;
}

function brush(svg, k, at, scale, top, bottom) {
  const bar = element("rect", { class: "brush", x: at - 8, width: 16, y: top, height: 0 });
  const area = element("rect", { class: "axis", x: at - 14, width: 28, y: top - 10, height: bottom - top + 20 });
  let from = null;
  const place = event => event.clientY - svg.getBoundingClientRect().top;
  const set = (a, b) => {
    const [high, low] = [Math.min(a, b), Math.max(a, b)];
    if (low - high < 4) brushes.delete(k); else brushes.set(k, value => scale.of(value) >= high - 1 && scale.of(value) <= low + 1);
    bar.setAttribute("y", high);
    bar.setAttribute("height", brushes.has(k) ? low - high : 0);
    apply();
  };
  area.onpointerdown = event => { from = place(event); area.setPointerCapture(event.pointerId); };
  area.onpointermove = event => { if (from !== null) set(from, place(event)); };
  area.onpointerup = event => { set(from, place(event)); from = null; };
  svg.append(bar, area);
}

function dim(words) {
  const { axes } = DATA.parallel;
  for (const { path, line } of paths) {
    const row = Object.fromEntries(axes.map((axis, k) => [axis.key, line.values[k] ?? ""]));
    const seen = passes({ ...row, run: line.name, status: line.status }, words) && [...brushes].every(([k, inside]) => inside(line.values[k]));
    path.classList.toggle("dim", !seen);
  }
}

// --- the page ------------------------------------------------------------------------------------------------------------

chooseGroups();
if (boxes.size) drawCurves();
if (DATA.parallel) {
  drawParallel();
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    brushes.clear();
    drawParallel();
    apply();
  });
}
apply();
if (DATA.refresh) {
  // Not while someone types or points; the place on the page is kept by the browser, the choices by the address.
  let touched = 0;
  for (const event of ["pointermove", "keydown", "wheel", "touchmove"]) addEventListener(event, () => { touched = Date.now(); }, { passive: true });
  setInterval(() => { if (Date.now() - touched > 5000 && !document.hidden) location.reload(); }, 1000 * DATA.refresh);
}
