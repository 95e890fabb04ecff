// What the model says, for a screen reader: phrase by phrase once a phrase is whole, since a line that is read out anew
// with every word of it can be followed by nobody.

import { make } from "./dom";
import { TALK } from "./strings";
import type { Transcript } from "./transcript";

const PAUSE_S = 0.8;
const LONG_WORDS = 12;
const KEEP = 4;

/** The next phrases to be read out, each once. Words that were cut off before they sounded are left out. */
export class Phrases {
  private readonly told = new Map<number, number>(); // entry -> words of it that were told

  next(transcript: Transcript, nowS: number): string[] {
    const out: string[] = [];
    const { entries } = transcript;
    entries.forEach((entry, n) => {
      if (entry.who === "user" || entry.id < transcript.knownBelow) return;
      const before = this.told.get(entry.id) ?? 0;
      const fresh = entry.words.slice(before);
      if (fresh.length === 0) return;
      const over = n < entries.length - 1 || nowS - entry.endS > PAUSE_S;
      const whole = /[.!?…؟。]$/.test(fresh[fresh.length - 1]!.text);
      if (!over && !whole && fresh.length < LONG_WORDS) return;
      this.told.set(entry.id, entry.words.length);
      const text = fresh.filter((word) => !word.unheard).map((word) => word.text).join(" ");
      if (text) out.push(TALK.said(TALK.who[entry.who], text));
    });
    this.forget(entries[0]?.id ?? Infinity);
    return out;
  }

  /** What stands there already is not read out: the page only found it. */
  skip(transcript: Transcript): void {
    for (const entry of transcript.entries) this.told.set(entry.id, entry.words.length);
  }

  private forget(before: number): void {
    for (const id of this.told.keys()) if (id < before) this.told.delete(id);
  }
}

export class Captions {
  readonly element = make("div", { class: "imk-unseen", role: "log", "aria-live": "polite", "aria-label": TALK.captions });
  private readonly phrases = new Phrases();

  skip(transcript: Transcript): void {
    this.phrases.skip(transcript);
  }

  draw(transcript: Transcript, nowS: number): void {
    for (const phrase of this.phrases.next(transcript, nowS)) this.element.append(make("p", { dir: "auto" }, phrase));
    while (this.element.childElementCount > KEEP) this.element.firstElementChild!.remove();
  }
}
