// Both sides' words as they grow. Pure: moments in, entries out.

import { type Moment, numberOr, listOf, type TimedWord, wordsOf } from "./protocol";
import type { Json } from "./codec";

export type Who = "user" | "model" | "note";

export type SpokenWord = TimedWord & { unheard: boolean };

export interface Entry {
  id: number;
  who: Who;
  typed: boolean;
  words: SpokenWord[];
  startS: number;
  endS: number;
}

const PAUSE_S = 2;
const MOST_ENTRIES = 300;
const OPEN_S = 1.2;
const CUTTABLE_S = 5;

export class Transcript {
  readonly entries: Entry[] = [];
  knownBelow = 0; // entries under this number were found here, not said while the page listened
  private nextId = 0;
  private lastIndex = -1;

  add(moment: Moment): boolean {
    if (moment.i <= this.lastIndex && this.lastIndex - moment.i < 150) return false; // seen already, by the other lane
    this.lastIndex = moment.i;
    const nowS = moment.i * 0.2;
    for (const word of moment.heard) this.say("user", word);
    if (moment.typed) this.open("user", true, nowS).words.push({ text: moment.typed, startS: nowS, endS: nowS, unheard: false });
    for (const word of moment.words) this.say("model", word);
    return moment.heard.length + moment.words.length > 0 || moment.typed !== "";
  }

  note(text: string, atS: number): void {
    this.open("note", false, atS).words.push({ text, startS: atS, endS: atS, unheard: false });
  }

  /** The model's words of the last seconds, which an interruption may have cut off. */
  cuttable(): SpokenWord[] {
    const from = this.lastIndex * 0.2 - CUTTABLE_S;
    return this.entries
      .slice(-4)
      .filter((entry) => entry.who === "model")
      .flatMap((entry) => entry.words.filter((word) => word.startS >= from));
  }

  /** Of these words, those that had not sounded for the better part are marked: nobody heard them. */
  cut(words: SpokenWord[], heardS: number): void {
    for (const word of words) if ((word.startS + word.endS) / 2 > heardS) word.unheard = true;
  }

  /** The user's last words stay light for a moment: more may come. */
  isOpen(entry: Entry, nowS: number): boolean {
    return entry.who === "user" && !entry.typed && entry === this.lastOf("user") && nowS - entry.endS < OPEN_S;
  }

  /** Takes what the kernel kept, in place of all that is here. */
  restore(kept: unknown, lastIndex: number): void {
    this.entries.length = 0;
    this.lastIndex = lastIndex;
    for (const item of listOf(kept)) {
      const line = (item ?? {}) as Json;
      const who: Who = line.who === "model" || line.who === "note" ? line.who : "user";
      let words = wordsOf(line.words);
      if (words.length === 0 && typeof line.text === "string" && line.text) {
        const startS = numberOr(line.start_s, 0);
        words = [{ text: line.text, startS, endS: numberOr(line.end_s, startS) }];
      }
      if (words.length === 0) continue;
      const entry = this.open(who, line.typed === true, words[0]!.startS, true);
      const firstUnheard = words.length - numberOr(line.unheard, 0);
      words.forEach((word, n) => entry.words.push({ ...word, unheard: n >= firstUnheard }));
      entry.endS = words[words.length - 1]!.endS;
    }
  }

  /** All that is here was said before this page came. */
  allKnown(): void {
    this.knownBelow = this.nextId;
  }

  clear(): void {
    this.entries.length = 0;
    this.lastIndex = -1;
  }

  private say(who: Who, word: TimedWord): void {
    const entry = this.open(who, false, word.startS);
    entry.words.push({ ...word, unheard: false });
    entry.endS = Math.max(entry.endS, word.endS);
  }

  private lastOf(who: Who): Entry | undefined {
    for (let n = this.entries.length - 1; n >= 0; n--) if (this.entries[n]!.who === who) return this.entries[n];
    return undefined;
  }

  private open(who: Who, typed: boolean, atS: number, fresh = false): Entry {
    const last = this.entries[this.entries.length - 1];
    const joins = last && !fresh && last.who === who && !typed && !last.typed && who !== "note" && atS - last.endS < PAUSE_S && atS >= last.startS - 0.5;
    if (joins) return last;
    const entry: Entry = { id: this.nextId++, who, typed, words: [], startS: atS, endS: atS };
    this.entries.push(entry);
    if (this.entries.length > MOST_ENTRIES) this.entries.shift();
    return entry;
  }
}
