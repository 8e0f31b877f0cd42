"use strict";
// The page of one run: maps under a time slider, profiles under the pointer, histories, energy and points.

const field = DATA.field;
const GREY = [154, 154, 154];

if (field) showField();
if (DATA.history) showHistory();
if (DATA.course) showCourse();
if (DATA.points) showPoints();

// --- the field -------------------------------------------------------------------------------------------------------

function showField() {
  const t = unpack(field.t), x = unpack(field.x), rows = t.length, columns = x.length;
  const u = unpack(field.u), error = unpack(field.error), residual = unpack(field.residual)?.map(Math.abs);
  const exact = error && u.map((value, k) => value - error[k]);
  const size = error?.map(Math.abs);
  const kinds = {
    error: { values: size, name: "|u − u*|", title: "Error", above: "Error" },
    residual: { values: residual, name: "residual |f|", title: "Residual", above: "Residual |f|" },
  };
  let kind = size ? "error" : "residual";
  const at = { row: Math.round((rows - 1) / 2), column: Math.round(columns / 4) };
  const largest = [...u].reduce((most, value) => Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most, 0) || 1;
  const row = values => values.subarray(at.row * columns, (at.row + 1) * columns);
  const column = values => Float32Array.from({ length: rows }, (_, k) => values[k * columns + at.column]);
  const nearest = (places, value) => {
    let best = 0;
    places.forEach((place, k) => { if (Math.abs(place - value) < Math.abs(places[best] - value)) best = k; });
    return best;
  };
  const caption = (chart, text) => { chart.figure.querySelector("figcaption span").textContent = text; };
  const moves = [];

  const maps = [map("network", u, [-largest, largest], false)];
  if (exact) maps.push(map("reference", exact, [-largest, largest], false));
  const third = map("third", kinds[kind].values, logScale(kinds[kind].values), true);
  maps.push(third);

  /** A heat map over (t, x). */
  function map(name, values, range, log) {
    const figure = byId(name), readout = figure.querySelector(".readout");
    const own = { values, range, log, image: null };
    own.picture = () => {
      own.image = picture(own.values, rows, columns, own.range, own.log);
      const colours = ramp(own.log ? VIRIDIS : DIVERGING);
      const stops = Array.from({ length: 11 }, (_, k) => rgb(colours, k / 10)).join(",");
      readout.innerHTML = `<span>${show(own.range[0])}</span><span class="bar" style="background:linear-gradient(90deg,${stops})"></span>` +
        `<span>${show(own.range[1])}</span><span>here <b></b></span>`;
    };
    own.picture();
    own.chart = new Chart(figure, {
      quiet: true, still: true, bare: true,
      x: { label: "t", range: [t[0], t[rows - 1]] }, y: { label: "x", range: field.domain },
      series: [{ name, colour: "network", show: false }], data: [[t[0], t[rows - 1]], field.domain],
      before: plot => {
        const { ctx, bbox } = plot;
        const [left, right] = [t[0] - 0.5 * (t[1] - t[0]), t[rows - 1] + 0.5 * (t[1] - t[0])].map(v => plot.valToPos(v, "x", true));
        const step = x[1] - x[0];
        const [bottom, top] = [x[0] - 0.5 * step, x[columns - 1] + 0.5 * step].map(v => plot.valToPos(v, "y", true));
        ctx.save();
        ctx.beginPath();
        ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
        ctx.clip();
        ctx.drawImage(own.image, left, top, right - left, bottom - top);
        windows(plot);
        ctx.restore();
      },
      made: plot => {
        const [inTime, inSpace] = [mark(plot, "x", "t"), mark(plot, "y", "x")];
        follow(plot, (time, place) => move(nearest(t, time), nearest(x, place)));
        own.mark = () => { inTime(t[at.row]); inSpace(x[at.column]); };
      },
      placed: () => own.mark(),
    });
    moves.push(() => {
      own.mark();
      readout.querySelector("b").textContent = show(own.values[at.row * columns + at.column]);
    });
    return own;
  }

  const chosen = () => kinds[kind];
  const along = (name, label, places, part, value, where) => {
    const series = [{ name: "network", colour: "network", width: 2 }];
    if (exact) series.unshift({ name: "reference", colour: "reference", width: 4 });
    const ends = label === "x" ? field.domain : [t[0], t[rows - 1]];
    const data = () => [places, ...(exact ? [part(exact)] : []), part(u)];
    const profile = scrub(name, { x: { label, range: ends }, y: { label: "u", range: [-1.08 * largest, 1.08 * largest] }, series, data: data(), at: where });
    const errors = scrub(name + "-error", {
      x: { label, range: ends }, y: { label: chosen().name, log: true, range: decades() },
      series: [{ name: chosen().name, colour: "error" }], data: [places, part(chosen().values)], at: where,
    });
    moves.push(() => {
      profile.setData(data());
      errors.setData([places, part(chosen().values)]);
      value();
    });
    return errors;

    function scrub(figure, spec) {
      const chart = new Chart(byId(figure), {
        ...spec, still: true,
        made: plot => {
          const line = mark(plot, "x", "t");
          follow(plot, v => label === "x" ? move(at.row, nearest(x, v)) : move(nearest(t, v), at.column));
          spec.mark = () => line(places[where()]);
        },
        placed: () => spec.mark(),
      });
      moves.push(() => spec.mark());
      return chart;
    }
  };
  const decades = () => {
    const [low, top] = logScale(chosen().values, 7);
    return [10 ** Math.floor(Math.log10(low)), 10 ** Math.ceil(Math.log10(top))];
  };
  const [slider, across] = [byId("time"), byId("place")];
  const errorCharts = [
    along("in-space", "x", x, row, () => { byId("time-value").textContent = "t = " + show(t[at.row]); slider.value = at.row; }, () => at.column),
    along("in-time", "t", t, column, () => { byId("place-value").textContent = "x = " + show(x[at.column]); across.value = at.column; }, () => at.row),
  ];

  function move(toRow, toColumn) {
    if (toRow === at.row && toColumn === at.column) return;
    Object.assign(at, { row: toRow, column: toColumn });
    requestFrame();
  }
  let waits = false;
  function requestFrame() {
    if (waits) return;
    waits = true;
    requestAnimationFrame(() => { waits = false; moves.forEach(one => one()); });
  }
  slider.max = rows - 1;
  across.max = columns - 1;
  slider.oninput = () => move(Number(slider.value), at.column);
  across.oninput = () => move(at.row, Number(across.value));
  moves.forEach(one => one());

  const play = byId("play");
  let timer = null;
  play.onclick = () => {
    if (timer === null && at.row === rows - 1) move(0, at.column);
    const going = timer !== null;
    clearInterval(timer);
    timer = going ? null : setInterval(() => {
      if (at.row === rows - 1) return play.onclick();
      move(at.row + 1, at.column);
    }, 50);
    play.textContent = going ? "▶" : "❚❚";
    play.setAttribute("aria-label", going ? "play" : "pause");
  };

  for (const button of document.querySelectorAll("[data-third]")) {
    button.onclick = () => {
      kind = button.dataset.third;
      for (const one of document.querySelectorAll("[data-third]")) one.setAttribute("aria-pressed", one === button);
      Object.assign(third, { values: chosen().values, range: logScale(chosen().values) });
      third.picture();
      third.chart.plot.redraw();
      caption(third.chart, chosen().above);
      for (const chart of errorCharts) {
        const { label } = chart.spec.x;
        caption(chart, `${chosen().title} against ${label} at this ${label === "x" ? "time" : "x"}`);
        Object.assign(chart.spec.y, { label: chosen().name, range: decades() });
        chart.spec.series[0].name = chosen().name;
        chart.draw();
      }
      moves.forEach(one => one());
    };
  }
}

/** The image of a heat map, a pixel for each value; t goes right and x up. */
function picture(values, rows, columns, [low, top], log) {
  const canvas = document.createElement("canvas");
  canvas.width = rows;
  canvas.height = columns;
  const context = canvas.getContext("2d"), image = context.createImageData(rows, columns);
  const colours = ramp(log ? VIRIDIS : DIVERGING);
  const scaled = log ? v => Math.log(Math.max(v, low) / low) / Math.log(top / low) : v => (v - low) / (top - low);
  for (let k = 0; k < rows; k++) {
    for (let j = 0; j < columns; j++) {
      const value = values[k * columns + j], pixel = 4 * ((columns - 1 - j) * rows + k);
      const colour = Number.isFinite(value) ? 3 * Math.round(255 * Math.min(1, Math.max(0, scaled(value)))) : -1;
      for (let c = 0; c < 3; c++) image.data[pixel + c] = colour < 0 ? GREY[c] : colours[colour + c];
      image.data[pixel + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** Where one time window ends and the next begins. */
function windows(plot) {
  const { ctx, bbox } = plot;
  ctx.setLineDash([5, 5]);
  ctx.lineWidth = 1;
  ctx.strokeStyle = "rgba(127,127,127,.8)";
  for (const time of DATA.breaks) {
    const place = plot.valToPos(time, "x", true);
    ctx.beginPath();
    ctx.moveTo(place, bbox.top);
    ctx.lineTo(place, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.setLineDash([]);
}

// --- histories ---------------------------------------------------------------------------------------------------------

function showHistory() {
  const { stages } = DATA.history, columns = Object.fromEntries(Object.entries(DATA.history.columns).map(([name, one]) => [name, unpack(one)]));
  const places = () => columns[document.querySelector("[name=along]:checked").value];
  const label = () => document.querySelector("[name=along]:checked").value === "step" ? "step" : "seconds of training";
  const COLOURS = ["network", "error", "second", "third", "reference", "fourth"];
  const all = ["losses", "errors"].filter(name => byId(name)).map(name => {
    const names = DATA.history[name];
    const series = names.map((one, k) => ({
      name: DATA.history.names[one], colour: COLOURS[k % COLOURS.length], dots: name === "errors", width: k ? 1.3 : 2,
    }));
    const data = () => broken(places(), names.map(one => columns[one]), stages);
    const chart = new Chart(byId(name), {
      x: { label: label() }, y: { label: name === "losses" ? "loss" : "relative L² error" }, series, data: data(),
      before: plot => shade(plot, places(), stages),
    });
    return () => {
      chart.spec.x.label = label();
      chart.spec.data = data();
      chart.draw();
    };
  });
  for (const choice of document.querySelectorAll("[name=along]")) choice.onchange = () => all.forEach(one => one());
}

/** Columns with a gap where a time window begins anew; what was not measured at a step is passed over. */
function broken(places, lines, stages) {
  const starts = new Set(stages.filter(stage => stage.anew).map(stage => stage.start)), found = [[], ...lines.map(() => [])];
  places.forEach((place, k) => {
    if (starts.has(k)) {
      found[0].push(place);
      lines.forEach((_, line) => found[line + 1].push(null));
    }
    found[0].push(place);
    lines.forEach((values, line) => found[line + 1].push(Number.isFinite(values[k]) ? values[k] : undefined));
  });
  return found;
}

/** Every other stage on a grey ground, with its name where there is room. */
function shade(plot, places, stages) {
  const { ctx, bbox } = plot;
  if (stages.length < 2) return;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
  stages.forEach((stage, k) => {
    const from = stage.start ? places[stage.start - 1] : plot.scales.x.min, to = places[(stages[k + 1]?.start ?? places.length) - 1];
    const [left, right] = [from, to].map(value => plot.valToPos(value, "x", true));
    ctx.fillStyle = paint("band");
    if (k % 2) ctx.fillRect(left, bbox.top, right - left, bbox.height);
    ctx.fillStyle = paint("faint");
    const room = right - left - 6 * devicePixelRatio;
    const name = [stage.name, stage.window].find(words => words && ctx.measureText(words).width < room);
    if (name) ctx.fillText(name, left + 4 * devicePixelRatio, bbox.top + 12 * devicePixelRatio);
  });
  ctx.restore();
}

// --- energy and points -------------------------------------------------------------------------------------------------

function showCourse() {
  const { t, energy, energy_reference: exact, by_time: error } = Object.fromEntries(
    Object.entries(DATA.course).map(([name, values]) => [name, unpack(values)]));
  if (energy) {
    const series = [{ name: "network", colour: "network", width: 2 }];
    if (exact) series.unshift({ name: "reference", colour: "reference", width: 4 });
    new Chart(byId("energy"), { x: { label: "t" }, y: { label: "E(t)" }, series, data: [t, ...(exact ? [exact] : []), energy] });
  }
  if (error) {
    new Chart(byId("by-time"), {
      x: { label: "t" }, y: { label: "relative L² error", most: 1e7 }, series: [{ name: "error", colour: "error" }], data: [t, error],
    });
  }
}

function showPoints() {
  const t = unpack(DATA.points.t), x = unpack(DATA.points.x), residual = unpack(DATA.points.residual);
  const order = Array.from(t, (_, k) => k), scale = residual && logScale(residual, 5), colours = ramp(VIRIDIS);
  if (residual) order.sort((a, b) => residual[a] - residual[b]);
  const readout = byId("points").querySelector(".readout");
  if (residual) {
    const stops = Array.from({ length: 11 }, (_, k) => rgb(colours, k / 10)).join(",");
    readout.innerHTML = `<span>|f| ${show(scale[0])}</span><span class="bar" style="background:linear-gradient(90deg,${stops})"></span><span>${show(scale[1])}</span>`;
  }
  new Chart(byId("points"), {
    quiet: true, still: true, bare: true, x: { label: "t", range: [0, DATA.points.horizon] }, y: { label: "x", range: DATA.points.domain },
    series: [{ name: "points", colour: "network", show: false }], data: [[0, DATA.points.horizon], DATA.points.domain],
    after: plot => {
      const { ctx } = plot, wide = Math.max(1.5, Math.min(4, 260 / Math.sqrt(t.length))) * devicePixelRatio;
      windows(plot);
      ctx.fillStyle = paint("network");
      for (const k of order) {
        if (residual) ctx.fillStyle = rgb(colours, Math.log(Math.max(residual[k], scale[0]) / scale[0]) / Math.log(scale[1] / scale[0]));
        ctx.fillRect(plot.valToPos(t[k], "x", true) - wide / 2, plot.valToPos(x[k], "y", true) - wide / 2, wide, wide);
      }
    },
  });
}
