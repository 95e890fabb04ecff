"use strict";
// What is drawn: lanes one above the other, only what is visible, no two texts over each other.
const data = JSON.parse(document.getElementById("data").textContent);
const unpack = (text, Kind) => new Kind(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
const ticks = {
  index: unpack(data.ticks.index, Int32Array), ms: unpack(data.ticks.ms, Float32Array),
  level: unpack(data.ticks.level, Float32Array), own: unpack(data.ticks.own, Float32Array),
  floor: unpack(data.ticks.floor, Uint8Array), frames: unpack(data.ticks.frames, Uint8Array),
  epoch: unpack(data.ticks.epoch, Int32Array),
};
const inside = Object.entries(data.inside).map(([name, text]) => [name, unpack(text, Float32Array)]);
const outlines = Object.fromEntries(["mic", "voice"].map((side) => [side, {
  peaks: unpack(data[side].peaks, Uint8Array), level: unpack(data[side].level, Uint8Array) }]));
const [userTurns, modelTurns, overlaps, gaps] = data.turns;
const GUTTER = 92, PAD = 4, FONT = '11px system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif';

// the first of ordered things that ends after a time
function firstAfter(things, time, end) {
  let low = 0, high = things.length;
  while (low < high) { const middle = (low + high) >> 1; if (end(things[middle]) <= time) low = middle + 1; else high = middle; }
  return low;
}
const stampOf = (s) => s < 60 ? `${+s.toFixed(1)}` : `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;

class Picture {
  constructor(canvas, colours) { this.canvas = canvas; this.c = canvas.getContext("2d"); this.colours = colours; }
  size(width, height) {
    const ratio = window.devicePixelRatio || 1;
    this.width = width; this.height = height;
    this.canvas.width = Math.round(width * ratio); this.canvas.height = Math.round(height * ratio);
    this.canvas.style.height = `${height}px`;
    this.c.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.c.font = FONT; this.c.textBaseline = "middle";
  }
}

class Board extends Picture {
  constructor(canvas, colours) {
    super(canvas, colours);
    this.start = data.start_s; this.span = data.end_s - data.start_s;
    this.images = data.pictures.map(([time, address]) => {
      const image = new Image();
      image.onload = () => this.changed?.();
      image.src = address;
      return [time, image];
    });
    const events = data.marks.filter(([kind]) => kind === "event"), surfaces = data.marks.filter(([kind]) => kind === "surface");
    const loud = (side) => outlines[side].peaks.some((p) => p > 0);
    this.lanes = [
      ["turns", 52, "soft", () => this.turns(), userTurns.length + modelTurns.length],
      ["microphone", 48, "you", (lane) => this.wave(lane, "mic"), loud("mic") || data.lost.length],
      ["heard", 46, "you", (lane) => this.words(lane, data.heard), data.heard.length],
      ["camera", 46, "you", (lane) => this.sight(lane), data.frames.length],
      ["typed", 30, "you", (lane) => this.words(lane, data.typed, 1), data.typed.length],
      ["draft", 30, "soft", (lane) => this.words(lane, grown(data.drafts), 1), data.drafts.length],
      ["events", 38, "soft", (lane) => this.marks(lane, events), events.length],
      ["floor", 24, "me", (lane) => this.floor(lane), ticks.index.length],
      ["says", 46, "me", (lane) => this.words(lane, data.words), data.words.length],
      ["own voice", 48, "me", (lane) => this.wave(lane, "voice"), loud("voice")],
      ["tasks", 42, "act", (lane) => this.tasks(lane), data.tasks.length],
      ["surfaces", 22, "act", (lane) => this.marks(lane, surfaces), surfaces.length],
      ["compute, ms", 42, "soft", (lane) => this.compute(lane), ticks.ms.some((ms) => ms > 0)],
    ].filter((lane) => lane[4]).map(([name, height, colour, draw]) => ({ name, height, colour, draw }));
    let top = 24;
    for (const lane of this.lanes) { lane.top = top; top += lane.height + PAD; }
    this.tall = top;
  }
  x(time) { return GUTTER + (time - this.start) * this.scale; }
  time(x) { return this.start + (x - GUTTER) / this.scale; }
  get scale() { return (this.width - GUTTER - 8) / this.span; }
  get end() { return this.start + this.span; }
  fill(colour, x, y, width, height) { this.c.fillStyle = this.colours[colour]; this.c.fillRect(x, y, width, height); }
  text(words, x, y, colour) { this.c.fillStyle = this.colours[colour]; this.c.fillText(words, x, y); }
  *seen(things, start = (t) => t[1], end = (t) => t[2]) {
    for (let i = firstAfter(things, this.start, end); i < things.length && start(things[i]) < this.end; i += 1) yield things[i];
  }

  draw(width) {
    this.size(width, this.tall);
    const c = this.c;
    this.fill("paper", 0, 0, width, this.tall);
    for (const lane of this.lanes) this.fill("band", GUTTER, lane.top, width - GUTTER, lane.height);
    c.save();
    c.beginPath(); c.rect(GUTTER, 0, width - GUTTER, this.tall); c.clip();
    this.grid();
    c.globalAlpha = .07; for (const [a, b] of this.seen(gaps, (t) => t[0], (t) => t[1])) if ((b - a) * this.scale > 3) this.through("ink", a, b);
    c.globalAlpha = .22; for (const [a, b] of this.seen(overlaps, (t) => t[0], (t) => t[1])) if ((b - a) * this.scale > 1) this.through("both", a, b);
    c.globalAlpha = .12; for (const [, a, b] of this.seen(data.lost)) this.through("late", a, b);
    c.globalAlpha = 1;
    for (const lane of this.lanes) {
      c.save(); c.beginPath(); c.rect(GUTTER, lane.top, width - GUTTER, lane.height); c.clip();
      lane.draw(lane);
      c.restore();
    }
    c.restore();
    c.textAlign = "right";
    for (const lane of this.lanes) this.text(lane.name, GUTTER - 8, lane.top + lane.height / 2, lane.colour);
    c.textAlign = "left";
  }
  through(colour, a, b) { this.fill(colour, this.x(a), this.lanes[0].top, Math.max(1, (b - a) * this.scale), this.tall - this.lanes[0].top - PAD); }
  grid() {
    const top = this.lanes[0].top, fine = data.tick_s * this.scale;
    if (fine >= 5) for (let k = Math.ceil(this.start / data.tick_s); k * data.tick_s <= this.end; k += 1) this.fill("fine", Math.round(this.x(k * data.tick_s)), top, 1, this.tall - top);
    const step = [.2, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800].find((s) => s * this.scale >= 52) ?? 3600;
    for (let k = Math.ceil(this.start / step); k * step <= this.end; k += 1) {
      const x = Math.round(this.x(k * step));
      this.fill("line", x, top - 4, 1, this.tall - top + 4);
      if (x + 36 < this.width) this.text(stampOf(k * step), x + 3, top - 11, "soft");
    }
  }
  turns() {
    const { top, height } = this.lanes[0], half = height * .34;
    const bars = (list, colour, y, tall) => { for (const [a, b] of this.seen(list, (t) => t[0], (t) => t[1])) this.fill(colour, this.x(a), y, Math.max(.6, (b - a) * this.scale), tall); };
    bars(userTurns, "you", top + 5, half);
    bars(modelTurns, "me", top + height - half - 5, half);
    bars(overlaps, "both", top + 2, height - 4);
    bars(gaps, "ink", top + height / 2 - 2, 4);
    this.c.textAlign = "center";
    for (const [a, b] of this.seen(gaps, (t) => t[0], (t) => t[1])) {
      const told = (b - a).toFixed(1);
      if ((b - a) * this.scale > this.c.measureText(told).width + 6 && this.x(a) > GUTTER && this.x(b) < this.width) this.text(told, this.x((a + b) / 2), top + 12, "ink");
    }
    this.c.textAlign = "left";
  }
  wave(lane, side) {
    const { peaks, level } = outlines[side], rate = data.parts / data.tick_s, c = this.c;
    const middle = lane.top + lane.height / 2, reach = (lane.height / 2 - 3) / 255;
    for (let x = GUTTER; x < this.width; x += 1) {
      const first = Math.max(0, Math.floor((this.time(x) - data.start_s) * rate));
      const last = Math.min(peaks.length, Math.max(first + 1, Math.floor((this.time(x + 1) - data.start_s) * rate)));
      if (first >= peaks.length) break;
      let high = 0;
      for (let i = first; i < last; i += 1) if (peaks[i] > high) high = peaks[i];
      c.globalAlpha = level[first >> 3] >> (7 - (first & 7)) & 1 ? .4 : 1;
      const tall = Math.max(.5, high * reach);
      this.fill(lane.colour, x, middle - tall, 1, 2 * tall);
    }
    c.globalAlpha = 1;
    if (side === "mic") for (const [told, a, b] of this.seen(data.lost)) this.hatched(lane, a, b, told);
  }
  hatched(lane, a, b, told) {
    const c = this.c, left = this.x(a), right = Math.max(left + 2, this.x(b));
    this.fill("paper", left, lane.top, right - left, lane.height);
    c.save(); c.beginPath(); c.rect(left, lane.top, right - left, lane.height); c.clip();
    c.strokeStyle = this.colours.late; c.beginPath();
    for (let x = left - lane.height; x < right; x += 7) { c.moveTo(x, lane.top + lane.height); c.lineTo(x + lane.height, lane.top); }
    c.stroke(); c.restore();
    const wide = c.measureText(told).width + 8;
    if (right - left > wide) { this.fill("paper", (left + right - wide) / 2, lane.top + lane.height / 2 - 8, wide, 16); this.text(told, (left + right - wide) / 2 + 4, lane.top + lane.height / 2, "late"); }
  }
  words(lane, spans, rows = 2) {
    const seen = [...this.seen(spans)], each = (lane.height - 10) / rows;
    let drawn = -1;
    for (const [, a, b] of seen) {
      const left = Math.max(this.x(a), drawn), right = Math.max(left + .7, this.x(b) - (this.scale > 20 ? 1 : 0));
      if (right > drawn) { this.fill(lane.colour, left, lane.top + lane.height - 6, right - left, 3); drawn = right; }
    }
    for (const [row, [told, a]] of this.told(seen, rows)) this.text(told, this.x(a), lane.top + 2 + (row + .5) * each, lane.colour);
  }
  // each word where it begins or behind the one before it; else most, with an ellipsis for the others; else phrases, cut
  told(seen, rows) {
    const words = seen.filter(([told, a]) => told && a >= this.start);
    return this.gathered(words, rows) ?? this.some(words, rows) ?? this.fitted(this.phrases(words, rows), rows, .4);
  }
  gathered(words, rows) {
    const all = [...Array(rows).keys()], shown = [];
    let free = Array(rows).fill(-1);
    for (const run of runs(words)) {
      const one = all.filter((row) => free[row] <= this.x(run[0][1])).slice(0, 1);
      const placed = this.placed(run, free, all, 0) ?? this.placed(run, free, one, 120) ?? this.placed(run, free, all, 60);
      if (!placed) return null;
      free = placed.free; shown.push(...placed.shown);
    }
    return shown.map(([row, [told, a, b]]) => [row, [this.cut(told, this.width - 6 - this.x(a)), a, b]]);
  }
  placed(run, before, among, astray) {
    const free = [...before], shown = [];
    for (let word of run) {
      let row = among.find((at) => free[at] <= this.x(word[1]));
      if (row === undefined) {
        if (!shown.length || free[shown.at(-1)[0]] - this.x(word[1]) > astray) return null;
        const [at, [told, a]] = shown.pop();
        row = at; word = [`${told} ${word[0]}`, a, word[2]];
      }
      free[row] = this.x(word[1]) + this.c.measureText(word[0]).width + 7;
      shown.push([row, word]);
    }
    return { free, shown };
  }
  some(words, rows) {
    const found = new Map(this.fitted(words, rows, .6, 17).map(([row, word]) => [word, row])), shown = [];
    if (!found.size) return null;
    for (const word of words) {
      if (found.has(word)) shown.push([found.get(word), [...word]]);
      else if (shown.length) shown.at(-1)[1][0] = `${shown.at(-1)[1][0].replace(/…+$/, "")}…`;
    }
    return shown;
  }
  fitted(spans, rows, least = 0, pad = 7) {
    const free = Array(rows).fill(-1), shown = [];
    for (const span of spans) {
      const left = this.x(span[1]), right = left + this.c.measureText(span[0]).width;
      if (left < GUTTER || right > this.width - 4 || !span[0]) continue;
      const row = free.findIndex((at) => at <= left);
      if (row >= 0) { free[row] = right + pad; shown.push([row, span]); }
    }
    return shown.length < least * spans.length ? [] : shown;
  }
  phrases(words, rows) {
    const joined = runs(words).map((run) => [run.map(([told]) => told).join(" "), run[0][1], run.at(-1)[2]]);
    return joined.map(([told, a, b], i) => [this.cut(told, (i + rows < joined.length ? this.x(joined[i + rows][1]) : this.width - 6) - this.x(a) - 8), a, b]);
  }
  cut(told, room) {
    if (this.c.measureText(told).width <= room) return told;
    let low = 0, high = told.length;
    while (low < high) { const middle = (low + high + 1) >> 1; if (this.c.measureText(`${told.slice(0, middle)}…`).width <= room) low = middle; else high = middle - 1; }
    return low > 2 ? `${told.slice(0, low).trimEnd()}…` : "";
  }
  sight(lane) {
    const tall = lane.height - 8;
    for (const at of this.seen(data.frames, (t) => t, (t) => t + data.tick_s)) this.fill("you", this.x(at), lane.top + lane.height - 4, Math.max(.7, data.tick_s * this.scale), 3);
    let free = GUTTER;
    for (const [time, image] of this.images) {
      const left = this.x(time), wide = image.naturalWidth * tall / (image.naturalHeight || 1);
      if (left < free || !image.complete || left + wide > this.width) continue;
      this.c.drawImage(image, left, lane.top + 2, wide, tall);
      free = left + wide + 3;
    }
  }
  marks(lane, list) {
    const seen = [...this.seen(list, (m) => m[2], (m) => m[2])], rows = lane.height > 30 ? 2 : 1, each = lane.height / rows;
    const spans = seen.map((m) => [this.cut(m[1], Math.min(220, this.width - 20 - this.x(m[2]))), m[2] + 9 / this.scale, m[2]]);
    const shown = new Map(this.fitted(spans.map((s, i) => [s[0], s[1], i]), rows, .25).map(([row, s]) => [s[2], row]));
    seen.forEach((m, i) => {
      const x = this.x(m[2]), row = shown.get(i);
      if (row === undefined) { this.fill(lane.colour, x - .5, lane.top + lane.height - 6, 1, 6); return; }
      const y = lane.top + (row + .5) * each;
      this.c.fillStyle = this.colours[lane.colour];
      this.c.beginPath(); this.c.moveTo(x - 4, y); this.c.lineTo(x, y - 4); this.c.lineTo(x + 4, y); this.c.lineTo(x, y + 4); this.c.fill();
      this.text(spans[i][0], x + 9, y, lane.colour);
    });
  }
  floor(lane) {
    this.fill("cost", GUTTER, lane.top + lane.height - 2, this.width, 1);
    for (const [kind, a, b] of this.seen(data.floor)) {
      const wide = Math.max(.7, (b - a) * this.scale), left = this.x(a), nod = kind === "backchannel", tall = nod ? .6 * lane.height : lane.height - 3;
      this.fill(nod ? "nod" : "me", left, lane.top + lane.height - 1 - tall, wide, tall);
      if (wide > this.c.measureText(kind).width + 10 && left >= GUTTER) this.text(kind, left + 5, lane.top + lane.height - 1 - tall / 2, "paper");
    }
  }
  tasks(lane) {
    const free = [-1, -1], named = [-1, -1], each = lane.height / 2, signs = { open: "…", done: "✓", failed: "✗", cancelled: "✗ cancelled" };
    const seen = data.tasks.filter((t) => t[2] < this.end && (t[4] ?? t[3] ?? (t[1] === "open" ? data.end_s : t[2])) > this.start);
    const crowded = seen.length * 14 > this.width - GUTTER;
    for (const [name, outcome, call, result, woven] of seen) {
      const left = this.x(call), mid = this.x(result ?? (outcome === "open" ? data.end_s : call + data.tick_s)), right = Math.max(mid, this.x(woven ?? 0), left + 2);
      const told = `${name} ${signs[outcome]}`, wide = this.c.measureText(told).width + 8, at = mid - left > wide ? Math.max(left, GUTTER) : mid;
      const row = free[0] <= left ? 0 : free[1] <= left ? 1 : +(free[1] < free[0]);
      const y = lane.top + row * each + 2, c = this.c;
      c.globalAlpha = .3; this.fill("act", left, y, Math.max(1.5, mid - left), each - 4);
      c.globalAlpha = .12; if (woven) this.fill("act", mid, y, right - mid, each - 4);
      c.globalAlpha = 1;
      if (!crowded && result !== null) this.fill("act", mid - 1, y, 2, each - 4);
      if (!crowded && at >= GUTTER && at >= named[row] && free[row] <= left && at + wide < this.width) { this.text(told, at + 5, y + (each - 4) / 2, "act"); named[row] = at + wide; free[row] = Math.max(right, at + wide); }
      free[row] = Math.max(free[row], right);
    }
  }
  compute(lane) {
    const reach = (lane.height - 3) / (1.2 * data.deadline_ms), bottom = lane.top + lane.height;
    const first = firstAfter(ticks.index, this.start / data.tick_s - 1, (i) => i);
    const wide = Math.max(1, data.tick_s * this.scale * .85);
    let at = -1, most = 0;
    const flush = () => { if (at >= 0) this.fill(most > data.deadline_ms ? "late" : "cost", at, bottom - Math.max(1, Math.min(lane.height, most * reach)), wide, lane.height); };
    for (let i = first; i < ticks.index.length && ticks.index[i] * data.tick_s < this.end; i += 1) {
      const exact = this.x((ticks.index[i] + .075) * data.tick_s), x = wide > 1 ? exact : Math.floor(exact);
      if (x !== at) { flush(); at = x; most = 0; }
      most = Math.max(most, ticks.ms[i]);
    }
    flush();
    const y = bottom - data.deadline_ms * reach;
    this.c.strokeStyle = this.colours.late; this.c.setLineDash([3, 3]); this.c.beginPath(); this.c.moveTo(GUTTER, y); this.c.lineTo(this.width, y); this.c.stroke(); this.c.setLineDash([]);
  }
}

// words up to a pause
function runs(words) {
  const found = [];
  for (const word of words) {
    const last = found.at(-1);
    if (last && word[1] - last.at(-1)[2] <= 1.2) last.push(word); else found.push([word]);
  }
  return found;
}

// drafts that grew into one another, with the words they grew to
function grown(drafts) {
  const runs = [];
  for (const [told, a, b] of drafts) {
    const last = runs.at(-1);
    if (last && Math.abs(a - last[2]) < .01) { last[0] = told; last[2] = b; } else runs.push([told, a, b]);
  }
  return runs;
}

// the whole timeline as shares of time: the model from below, the user above it, both at once on top
class Overview extends Picture {
  draw(width, start, end) {
    this.size(width, 34);
    const columns = Math.floor(width / 2), step = (data.end_s - data.start_s) / columns, c = this.c;
    this.fillAll("band", 0, 0, width, 34);
    this.parts ??= [userTurns, modelTurns, overlaps].map((list) => [list, null]);
    this.parts.forEach((part) => { if (part[1]?.length !== columns) part[1] = shares(part[0], step, columns); });
    const [user, model, both] = this.parts.map((part) => part[1]);
    for (let i = 0; i < columns; i += 1) {
      let y = 33;
      for (const [share, colour] of [[model[i] - both[i], "me"], [user[i] - both[i], "you"], [both[i], "both"]]) {
        const tall = Math.max(0, share) * 30;
        this.fillAll(colour, i * 2, y - tall, 2, tall); y -= tall;
      }
    }
    const x = (time) => (time - data.start_s) / (data.end_s - data.start_s) * width;
    c.globalAlpha = .14; this.fillAll("ink", x(start), 0, Math.max(3, x(end) - x(start)), 34); c.globalAlpha = 1;
    c.strokeStyle = this.colours.ink; c.strokeRect(x(start) + .5, .5, Math.max(3, x(end) - x(start)) - 1, 33);
  }
  fillAll(colour, ...box) { this.c.fillStyle = this.colours[colour]; this.c.fillRect(...box); }
}
function shares(list, step, columns) {
  const filled = new Float64Array(columns);
  for (const [a, b] of list) {
    const first = Math.max(0, Math.floor((a - data.start_s) / step)), last = Math.min(columns - 1, Math.floor((b - data.start_s) / step));
    for (let i = first; i <= last; i += 1) { const left = data.start_s + i * step; filled[i] += Math.max(0, Math.min(b, left + step) - Math.max(a, left)) / step; }
  }
  return filled;
}
