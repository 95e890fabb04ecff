// The transcript as it grows. Only the last entries change, so only they are drawn again.

import { make } from "./dom";
import { clock } from "./strip";
import { TALK } from "./strings";
import type { Entry, Transcript } from "./transcript";

const CHANGING = 6;

export class Talk {
  readonly element = make("div", {
    class: "imk-talk",
    role: "log",
    "aria-live": "off", // its lines grow word by word; the captions are what is read out
    "aria-label": TALK.log,
    tabindex: "0",
  });
  private readonly empty = make("p", { class: "imk-empty" }, TALK.empty);
  private readonly rows = new Map<number, { row: HTMLElement; key: string }>();

  draw(transcript: Transcript, nowS: number): void {
    const { entries } = transcript;
    const atEnd = this.element.scrollHeight - this.element.scrollTop - this.element.clientHeight < 40;
    let added = false;
    const known = new Set(entries.map((entry) => entry.id));
    for (const [id, { row }] of this.rows) {
      if (known.has(id)) continue;
      row.remove();
      this.rows.delete(id);
    }
    entries.forEach((entry, n) => {
      const drawn = this.rows.get(entry.id);
      if (drawn && n < entries.length - CHANGING) return;
      const open = transcript.isOpen(entry, nowS);
      const key = `${open}|${entry.words.map((w) => (w.unheard ? "-" : "") + w.text).join(" ")}`;
      if (drawn?.key === key) return;
      const row = drawn?.row ?? this.element.appendChild(make("div", { class: `imk-line imk-${entry.who}` }));
      fill(row, entry, open);
      this.rows.set(entry.id, { row, key });
      added = true;
    });
    if (entries.length === 0) this.element.append(this.empty);
    else this.empty.remove();
    if (added && atEnd) this.element.scrollTop = this.element.scrollHeight;
  }
}

function fill(row: HTMLElement, entry: Entry, open: boolean): void {
  const words = make("span", { class: open ? "imk-words imk-open" : "imk-words", dir: "auto" });
  let run: { text: string[]; unheard: boolean } | null = null;
  const close = () => {
    if (!run) return;
    const text = run.text.join(" ");
    words.append(run.unheard ? make("s", { title: TALK.unheard }, text) : text, " ");
  };
  for (const word of entry.words) {
    if (run && run.unheard === word.unheard) run.text.push(word.text);
    else {
      close();
      run = { text: [word.text], unheard: word.unheard };
    }
  }
  close();
  const name = make("span", { class: "imk-who" }, TALK.who[entry.who]);
  const tag = entry.typed ? [make("span", { class: "imk-tag" }, TALK.typed)] : [];
  row.replaceChildren(make("time", { class: "imk-time" }, clock(entry.startS)), name, ...tag, words);
}
