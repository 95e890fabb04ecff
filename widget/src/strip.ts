// Where everything on the live strip stands: a pure function from moments to shapes. One column per micro-turn, one lane
// per stream, the last 30 s, now at the right edge.

import { KEEP_TICKS, type Moment, type TimedWord } from "./protocol";
import { STRIP } from "./strings";

export type Role =
  | "user" | "userSoft" | "model" | "modelSoft" | "backchannel" | "typed" | "camera" | "call" | "event"
  | "ok" | "missed" | "gap" | "grid" | "label" | "lane";

export interface Box {
  x: number;
  y: number;
  w: number;
  h: number;
  role: Role;
}

export interface Label {
  x: number;
  y: number; // baseline middle
  text: string;
  role: Role;
  align: "left" | "right";
  clipX: number;
  clipW: number;
}

export interface StripLayout {
  width: number;
  height: number;
  boxes: Box[];
  labels: Label[];
}

export interface StripInput {
  at(index: number): Moment | undefined;
  last: number; // index of the newest moment, -1 for none
  now: number; // index of the newest column
  cursor?: number; // index of the column that is read out
  width: number;
  measure(text: string): number;
}

export const LANES = [
  { name: "microphone", height: 30 },
  { name: "heard", height: 17 },
  { name: "camera", height: 9 },
  { name: "typed", height: 17 },
  { name: "floor", height: 9 },
  { name: "says", height: 17 },
  { name: "voice", height: 30 },
  { name: "calls", height: 17 },
  { name: "deadline", height: 15 },
] as const;
export type LaneId = (typeof LANES)[number]["name"];

export const GUTTER = 74;
const GAP = 5;
const PAD = 6;
const AXIS = 18;
const FLOOR_DB = -60;
const DEADLINE_MS = 200;
const PHRASE_PAUSE_S = 0.7;
const TEXT_GAP = 7;

export const STRIP_HEIGHT = PAD + LANES.reduce((sum, lane) => sum + lane.height + GAP, 0) + AXIS;

export function laneTop(id: LaneId): number {
  let y = PAD;
  for (const lane of LANES) {
    if (lane.name === id) return y;
    y += lane.height + GAP;
  }
  return y;
}

/** 0 for silence, 1 for full scale. */
export function loudness(db: number): number {
  return Math.min(1, Math.max(0, (db - FLOOR_DB) / -FLOOR_DB));
}

export interface Phrase {
  text: string;
  startS: number;
  endS: number;
}

/** Words that follow each other closely are read as one piece. */
export function phrases(words: TimedWord[]): Phrase[] {
  const out: Phrase[] = [];
  for (const word of words) {
    const last = out[out.length - 1];
    if (last && word.startS - last.endS < PHRASE_PAUSE_S) {
      last.text += ` ${word.text}`;
      last.endS = Math.max(last.endS, word.endS);
    } else {
      out.push({ text: word.text, startS: word.startS, endS: word.endS });
    }
  }
  return out;
}

export function columnOf(x: number, width: number, now: number): number {
  return now - KEEP_TICKS + 1 + Math.floor((x - GUTTER) / ((width - GUTTER) / KEEP_TICKS));
}

export function layoutStrip({ at, last, now, width, measure, cursor }: StripInput): StripLayout {
  const boxes: Box[] = [];
  const labels: Label[] = [];
  const plot = Math.max(0, width - GUTTER);
  const column = plot / KEEP_TICKS;
  const first = now - KEEP_TICKS + 1;
  const xOf = (index: number) => GUTTER + (index - first) * column;
  const bar = Math.max(1, column - (column > 3 ? 1 : 0));

  for (const lane of LANES) {
    const y = laneTop(lane.name);
    boxes.push({ x: GUTTER, y, w: plot, h: lane.height, role: "lane" });
    labels.push({ x: GUTTER - 9, y: y + lane.height / 2, text: STRIP.lanes[lane.name], role: "label", align: "right", clipX: 0, clipW: GUTTER });
  }
  axis(boxes, labels, first, now, xOf, plot, measure);

  const shown: Moment[] = [];
  let began = false;
  for (let i = Math.max(0, first); i <= Math.min(now, last); i++) {
    const moment = at(i);
    if (moment) {
      began = true;
      shown.push(moment);
      columnBoxes(boxes, moment, xOf(i), bar);
    } else if (began) {
      boxes.push({ x: xOf(i), y: PAD, w: column, h: STRIP_HEIGHT - AXIS - GAP - PAD, role: "gap" });
    }
  }
  const timed = (lane: LaneId, words: TimedWord[], role: Role, soft: Role) => {
    for (const word of words) {
      const x = Math.max(GUTTER, xOf(word.startS / 0.2));
      const w = Math.max(1.5, xOf(word.endS / 0.2) - x - 1);
      if (x + w > GUTTER) boxes.push({ x, y: laneTop(lane) + heightOf(lane) - 2, w: Math.min(w, width - x), h: 2, role: soft });
    }
    pieces(labels, lane, phrases(words), role, xOf, width, measure);
  };
  timed("heard", shown.flatMap((m) => m.heard), "user", "userSoft");
  timed("says", shown.flatMap((m) => m.words), "model", "modelSoft");
  const at_s = (m: Moment) => ({ startS: m.i * 0.2, endS: (m.i + 1) * 0.2 });
  pieces(labels, "typed", shown.filter((m) => m.typed).map((m) => ({ text: m.typed, ...at_s(m) })), "typed", xOf, width, measure);
  const calls = shown.flatMap((m) => [
    ...m.calls.map((c) => ({ text: c.kind === "cancel" ? STRIP.cancel(c.name) : c.name || c.kind, role: "call" as Role, ...at_s(m) })),
    ...m.events.map((e) => ({ text: e.text || e.kind, role: "event" as Role, ...at_s(m) })),
  ]);
  pieces(labels, "calls", calls, "call", xOf, width, measure);
  if (cursor !== undefined) boxes.push({ x: xOf(cursor) + column / 2, y: PAD, w: 1, h: STRIP_HEIGHT - AXIS - PAD, role: "label" });
  return { width, height: STRIP_HEIGHT, boxes, labels };
}

function heightOf(id: LaneId): number {
  return LANES.find((lane) => lane.name === id)!.height;
}

function columnBoxes(boxes: Box[], m: Moment, x: number, w: number): void {
  const level = (lane: LaneId, db: number, role: Role) => {
    const full = heightOf(lane);
    const h = loudness(db) * full;
    if (h > 0.5) boxes.push({ x, y: laneTop(lane) + (full - h) / 2, w, h, role });
  };
  const block = (lane: LaneId, role: Role, inset = 0) =>
    boxes.push({ x, y: laneTop(lane) + inset, w, h: heightOf(lane) - 2 * inset, role });
  if (m.gap) block("microphone", "gap");
  level("microphone", m.levelDb, "user");
  if (m.frames > 0) block("camera", "camera", 2);
  if (m.typed) block("typed", "typed", 2);
  if (m.floor !== "listen") block("floor", m.floor === "speak" ? "model" : "backchannel", m.floor === "speak" ? 0 : 3);
  level("voice", m.ownDb, "model");
  if (m.calls.length > 0) block("calls", "call", 2);
  else if (m.events.length > 0) block("calls", "event", 6);
  const full = heightOf("deadline");
  const h = Math.max(1.5, Math.min(1, m.computeMs / DEADLINE_MS) * full);
  const top = laneTop("deadline");
  boxes.push({ x, y: top + full - h, w, h, role: m.late ? "missed" : "ok" });
  if (m.late) boxes.push({ x: x - 1, y: top - 3, w: w + 2, h: 2, role: "missed" });
}

/** A line every five seconds; a time beside each, or, where there is no room, beside every second, third or sixth. */
function axis(
  boxes: Box[], labels: Label[], first: number, now: number, xOf: (i: number) => number, plot: number, measure: (text: string) => number,
): void {
  const room = measure(clock(now / 5)) + 10;
  const every = 25 * ([1, 2, 3].find((lines) => xOf(25 * lines) - xOf(0) >= room) ?? 6);
  for (let i = Math.ceil(Math.max(0, first) / 25) * 25; i <= now; i += 25) {
    const x = xOf(i);
    boxes.push({ x, y: PAD, w: 1, h: STRIP_HEIGHT - AXIS - PAD, role: "grid" });
    if (i % every === 0 && x < GUTTER + plot - 30) {
      labels.push({ x: x + 3, y: STRIP_HEIGHT - AXIS / 2, text: clock(i / 5), role: "label", align: "left", clipX: GUTTER, clipW: plot });
    }
  }
}

export function clock(seconds: number): string {
  const s = Math.floor(seconds);
  return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
}

/** Texts side by side: each may run on until the next begins; the newest shows its end, not its beginning. */
function pieces(
  labels: Label[],
  lane: LaneId,
  items: (Phrase & { role?: Role })[],
  role: Role,
  xOf: (index: number) => number,
  width: number,
  measure: (text: string) => number,
): void {
  const y = laneTop(lane) + heightOf(lane) / 2 - (lane === "heard" || lane === "says" ? 1 : 0);
  const marked = lane === "typed" || lane === "calls";
  let free = GUTTER;
  items.forEach((item, n) => {
    const starts = xOf(item.startS / 0.2) + (marked ? 7 : 0);
    const next = items[n + 1];
    const until = next ? Math.max(free, xOf(next.startS / 0.2) - TEXT_GAP) : width;
    const x = Math.max(free, starts);
    const w = measure(item.text);
    const label = { y, text: item.text, role: item.role ?? role };
    if (marked && !next && x + w > until) {
      const right = starts - 11; // left of its own mark
      if (right - free > 8) labels.push({ ...label, x: right, align: "right", clipX: free, clipW: right - free });
    } else if (until - x > 8) {
      if (next || x + w <= until) labels.push({ ...label, text: fit(item.text, until - x, measure), x, align: "left", clipX: x, clipW: until - x });
      else {
        const from = Math.max(free, until - w - 4);
        labels.push({ ...label, x: until - 2, align: "right", clipX: from, clipW: until - from });
      }
    } else if (!next) {
      const from = Math.max(free, width - w - 2);
      labels.push({ ...label, x: width - 2, align: "right", clipX: from, clipW: width - from });
    }
    free = Math.max(free, Math.min(until, x + w) + (next ? TEXT_GAP : 0));
  });
}

function fit(text: string, width: number, measure: (text: string) => number): string {
  if (measure(text) <= width) return text;
  let end = text.length - 1;
  while (end > 0 && measure(`${text.slice(0, end)}…`) > width) end--;
  return end > 0 ? `${text.slice(0, end).trimEnd()}…` : "";
}
