// What the kernel says, as this side reads it. Fields that are missing or odd become harmless defaults.

import type { Json } from "./codec";

export type Floor = "listen" | "backchannel" | "speak";

export interface TimedWord {
  text: string;
  startS: number;
  endS: number;
}

export interface Moment {
  i: number;
  floor: Floor;
  heard: TimedWord[];
  words: TimedWord[];
  typed: string;
  levelDb: number;
  ownDb: number;
  frames: number;
  calls: { kind: string; name: string; id: string }[];
  events: { kind: string; provenance: string; text: string }[];
  computeMs: number;
  late: boolean;
  dropped: number;
  gap: boolean;
  ack: number;
}

export const KEEP_S = 30;
export const KEEP_TICKS = 150;

export function numberOr(value: unknown, fallback: number): number {
  return typeof value === "number" && Number.isFinite(value) ? value : fallback;
}

export function textOr(value: unknown, fallback = ""): string {
  return typeof value === "string" ? value : fallback;
}

export function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

export function wordsOf(value: unknown): TimedWord[] {
  return listOf(value).flatMap((item) => {
    if (!Array.isArray(item) || typeof item[0] !== "string" || item[0] === "") return [];
    const startS = numberOr(item[1], 0);
    return [{ text: item[0], startS, endS: Math.max(startS, numberOr(item[2], startS)) }];
  });
}

export function momentOf(json: Json): Moment {
  const floor = json.floor === "speak" || json.floor === "backchannel" ? json.floor : "listen";
  const i = Math.max(0, Math.floor(numberOr(json.i, 0)));
  return {
    i,
    floor,
    heard: wordsOf(json.heard),
    words: wordsOf(json.words),
    typed: textOr(json.typed),
    levelDb: numberOr(json.level, -100),
    ownDb: numberOr(json.own, -100),
    frames: numberOr(json.frames, 0),
    calls: listOf(json.calls).map((call) => {
      const c = (call ?? {}) as Json;
      return { kind: textOr(c.kind), name: textOr(c.name), id: textOr(c.id) };
    }),
    events: listOf(json.events).map((event) => {
      const e = (event ?? {}) as Json;
      return { kind: textOr(e.kind), provenance: textOr(e.provenance), text: textOr(e.text) };
    }),
    computeMs: numberOr(json.ms, 0),
    late: json.late === true,
    dropped: numberOr(json.dropped, 0),
    gap: json.gap === true,
    ack: numberOr(json.ack, -1),
  };
}

/** The last 30 s of moments, by index. A smaller index than expected means that the session began anew. */
export class Recent {
  private readonly byIndex = new Map<number, Moment>();
  last: Moment | null = null;

  add(moment: Moment): void {
    if (this.last && moment.i < this.last.i - KEEP_TICKS) this.clear();
    this.byIndex.set(moment.i, moment);
    if (!this.last || moment.i > this.last.i) this.last = moment;
    for (const i of this.byIndex.keys()) if (i <= this.last.i - KEEP_TICKS) this.byIndex.delete(i);
  }

  get(i: number): Moment | undefined {
    return this.byIndex.get(i);
  }

  /** The oldest index that is held; 0 for none. */
  get first(): number {
    return this.last ? Math.min(...this.byIndex.keys()) : 0;
  }

  get size(): number {
    return this.byIndex.size;
  }

  clear(): void {
    this.byIndex.clear();
    this.last = null;
  }
}
