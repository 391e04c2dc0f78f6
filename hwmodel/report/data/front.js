// The plot of a front: two columns against each other, details of a point on hover, touch or arrow keys.
const plotted = JSON.parse(document.getElementById("front-data").textContent);
const canvas = document.getElementById("front-canvas");
const tip = document.getElementById("tip");
const selected = document.getElementById("selected");
const [xBox, yBox] = [document.getElementById("x-axis"), document.getElementById("y-axis")];
const [xLog, yLog] = [document.getElementById("x-log"), document.getElementById("y-log")];
const dark = matchMedia("(prefers-color-scheme: dark)");
const hidden = new Set();
const rows = plotted.front.length;
let spots = []; // [x pixel, y pixel, row] of what is drawn
let chosen = -1;

const column = (name) => plotted.columns.find((c) => c.name === name);
const value = (c, i) => (c.texts ? c.texts[c.values[i]] : c.values[i]);
const better = (c) => (c.better ? `, ${c.better} is better` : "");

function shown(v) {
  if (v === null || v === undefined) return "–";
  if (typeof v !== "number") return String(v);
  const size = Math.abs(v);
  const text = v !== 0 && (size < 1e-4 || size >= 1e7) ? v.toExponential(3) : String(Number(v.toPrecision(5)));
  return text.replace("-", "−");
}

function scaleOf(values, log, low, high) {
  let least = Infinity, most = -Infinity;
  for (const v of values) if (v !== null && (!log || v > 0)) { if (v < least) least = v; if (v > most) most = v; }
  if (least === Infinity) [least, most] = [0, 1];
  const to = log ? Math.log10 : (v) => v;
  let [a, b] = [to(least), to(most)];
  const pad = (b - a || Math.abs(a) || 1) * 0.06;
  [a, b] = [a - pad, b + pad];
  const place = (v) => low + ((to(v) - a) / (b - a)) * (high - low);
  const ticks = [];
  if (log) {
    const several = b - a < 2 ? [1, 2, 5] : [1];
    const step = Math.max(1, Math.ceil((b - a) / 8));
    for (let e = Math.floor(a); e <= b; e += 1) for (const m of several) {
      const t = Number(`${m}e${e}`);
      if (to(t) >= a && to(t) <= b && e % step === 0) ticks.push(t);
    }
  }
  if (ticks.length < 2) {
    ticks.length = 0;
    const [u, v] = log ? [10 ** a, 10 ** b] : [a, b];
    const rough = (v - u) / Math.max(3, Math.abs(high - low) / 90);
    const base = 10 ** Math.floor(Math.log10(rough));
    const step = base * [1, 2, 5, 10].find((m) => m * base >= rough);
    for (let k = Math.ceil(u / step); k * step <= v; k += 1) ticks.push(Number((k * step).toPrecision(12)));
  }
  return { place, ticks };
}

function mark(g, shape, x, y, r) {
  g.beginPath();
  if (shape === 0) g.arc(x, y, r, 0, 2 * Math.PI);
  else if (shape === 1) g.rect(x - 0.88 * r, y - 0.88 * r, 1.76 * r, 1.76 * r);
  else {
    const [corners, turn] = { 2: [3, -90], 3: [4, 0], 4: [3, 90], 5: [5, -90], 6: [6, 0], 7: [5, 90] }[shape];
    for (let k = 0; k < corners; k += 1) {
      const angle = ((turn + (360 * k) / corners) * Math.PI) / 180;
      g.lineTo(x + 1.2 * r * Math.cos(angle), y + 1.2 * r * Math.sin(angle));
    }
    g.closePath();
  }
}

function draw() {
  const css = getComputedStyle(document.documentElement);
  const [text, muted, line, surface, accent] = ["text", "muted", "line", "surface", "accent"].map((n) => css.getPropertyValue(`--${n}`));
  const colours = plotted.colours[dark.matches ? "dark" : "light"];
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const dots = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * dots);
  canvas.height = Math.round(height * dots);
  const g = canvas.getContext("2d");
  g.setTransform(dots, 0, 0, dots, 0, 0);
  g.clearRect(0, 0, width, height);
  g.font = "13px system-ui, sans-serif";
  const [cx, cy] = [column(xBox.value), column(yBox.value)];
  for (const [c, box] of [[cx, xLog], [cy, yLog]]) {
    box.disabled = !c.values.every((v) => v === null || v > 0);
    if (box.disabled) box.checked = false;
  }
  const high = scaleOf(cy.values, yLog.checked, height - 52, 12);
  const left = 14 + Math.max(...high.ticks.map((t) => g.measureText(shown(t)).width)) + 20;
  const wide = scaleOf(cx.values, xLog.checked, left, width - 12);
  g.strokeStyle = line;
  g.fillStyle = text;
  g.lineWidth = 1;
  let free = -Infinity;
  for (const t of wide.ticks) {
    const x = wide.place(t);
    g.beginPath(); g.moveTo(x, 12); g.lineTo(x, height - 52); g.stroke();
    const half = g.measureText(shown(t)).width / 2;
    if (x - half < free || x + half > width) continue;
    free = x + half + 10;
    g.textAlign = "center"; g.textBaseline = "top"; g.fillText(shown(t), x, height - 46);
  }
  for (const t of high.ticks) {
    const y = high.place(t);
    g.beginPath(); g.moveTo(left, y); g.lineTo(width - 12, y); g.stroke();
    g.textAlign = "right"; g.textBaseline = "middle"; g.fillText(shown(t), left - 8, y);
  }
  g.textAlign = "center"; g.textBaseline = "alphabetic";
  g.fillText(cx.name + better(cx), (left + width - 12) / 2, height - 8, width - left - 12);
  g.save(); g.translate(14, (height - 40) / 2); g.rotate(-Math.PI / 2);
  g.fillText(cy.name + better(cy), 0, 0, height - 60); g.restore();

  spots = [];
  for (let i = 0; i < rows; i += 1) {
    const [u, v] = [cx.values[i], cy.values[i]];
    if (u !== null && v !== null && !hidden.has(plotted.series[i])) spots.push([wide.place(u), high.place(v), i]);
  }
  if (cx !== cy && cx.better && cy.better && plotted.stairs) {
    const low = [cx.better === "lower", cy.better === "lower"];
    const ends = spots.filter((s) => plotted.front[s[2]]).sort((a, b) => (low[0] ? a[0] - b[0] : b[0] - a[0]) || (low[1] ? b[1] - a[1] : a[1] - b[1]));
    g.beginPath(); g.strokeStyle = accent; g.lineWidth = 1.5;
    let last = null;
    for (const [x, y] of ends) {
      if (last !== null && (low[1] ? y <= last : y >= last)) continue;
      if (last === null) g.moveTo(x, y); else { g.lineTo(x, last); g.lineTo(x, y); }
      last = y;
    }
    g.stroke();
  }
  const radius = rows > 3000 ? 2.2 : 3.6;
  for (const ahead of [0, 1]) {
    for (const [x, y, i] of spots) {
      if (plotted.front[i] !== ahead) continue;
      const colour = colours[plotted.series[i]];
      mark(g, plotted.series[i], x, y, ahead ? 5.2 : radius);
      g.lineWidth = 1.3;
      if (ahead) { g.fillStyle = colour; g.fill(); g.strokeStyle = surface; g.stroke(); }
      else if (rows > 3000) { g.globalAlpha = 0.45; g.fillStyle = colour; g.fill(); g.globalAlpha = 1; }
      else { g.strokeStyle = colour; g.stroke(); }
    }
  }
  for (const [x, y, i] of spots) {
    if (plotted.knee[i]) { mark(g, 0, x, y, 9); g.strokeStyle = text; g.lineWidth = 1.6; g.stroke(); }
    if (i === chosen) { mark(g, 0, x, y, 12); g.strokeStyle = accent; g.lineWidth = 2.4; g.stroke(); }
  }
}

function details(i) {
  const found = document.createDocumentFragment();
  const name = document.createElement("strong");
  name.textContent = plotted.labels[i] + (plotted.knee[i] ? " (knee)" : plotted.front[i] ? " (on the front)" : "");
  const list = document.createElement("dl");
  for (const c of plotted.columns) {
    const [term, what] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = c.name;
    what.textContent = shown(value(c, i));
    list.append(term, what);
  }
  found.append(name, list);
  return found;
}

function choose(i, announce) {
  chosen = i;
  document.querySelectorAll("tr.chosen").forEach((row) => row.classList.remove("chosen"));
  if (i >= 0) document.querySelector(`tr[data-i="${i}"]`)?.classList.add("chosen");
  if (announce) selected.replaceChildren(i < 0 ? plotted.hint : details(i));
  draw();
}

function nearest(event, reach) {
  const box = canvas.getBoundingClientRect();
  const [px, py] = [event.clientX - box.left, event.clientY - box.top];
  let [best, far] = [-1, reach * reach];
  for (const [x, y, i] of spots) {
    const d = (x - px) ** 2 + (y - py) ** 2 - (plotted.front[i] ? 9 : 0);
    if (d < far) [best, far] = [i, d];
  }
  return best;
}

function hover(event) {
  const i = nearest(event, 14);
  tip.hidden = i < 0;
  canvas.style.cursor = i < 0 ? "" : "pointer";
  if (i < 0) return;
  tip.replaceChildren(details(i));
  const [x, y] = spots.find((s) => s[2] === i);
  const room = canvas.clientWidth;
  tip.style.left = `${Math.max(4, Math.min(x + 24, room - tip.offsetWidth))}px`;
  const below = y + 30;
  tip.style.top = `${below + tip.offsetHeight > canvas.clientHeight + 60 ? Math.max(4, y - tip.offsetHeight - 4) : below}px`;
}

canvas.addEventListener("pointermove", hover);
canvas.addEventListener("pointerleave", () => { tip.hidden = true; });
canvas.addEventListener("click", (event) => choose(nearest(event, 20), true));
canvas.addEventListener("keydown", (event) => {
  const ends = spots.filter((s) => plotted.front[s[2]]).sort((a, b) => a[0] - b[0] || a[1] - b[1]).map((s) => s[2]);
  const at = ends.indexOf(chosen);
  const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: ends.length - 1 }[event.key];
  if (event.key === "Escape") choose(-1, true);
  else if (to !== undefined && ends.length) choose(ends[Math.max(0, Math.min(ends.length - 1, to))], true);
  else return;
  event.preventDefault();
});
for (const row of document.querySelectorAll("tr[data-i]")) row.addEventListener("click", () => choose(Number(row.dataset.i), true));
for (const button of document.querySelectorAll(".series button")) {
  button.addEventListener("click", () => {
    const which = Number(button.dataset.series);
    if (!hidden.delete(which)) hidden.add(which);
    button.setAttribute("aria-pressed", String(!hidden.has(which)));
    draw();
  });
}
for (const box of [xBox, yBox, xLog, yLog]) box.addEventListener("change", draw);
dark.addEventListener("change", draw);
new ResizeObserver(draw).observe(canvas);
document.querySelectorAll(".needs-script").forEach((part) => { part.hidden = false; });
draw();
