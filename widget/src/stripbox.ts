// The strip with what stands under the pointer, kept in the colours of the page's theme.

import { make, setText } from "./dom";
import { KEEP_TICKS, type Moment, type Recent } from "./protocol";
import { clock, columnOf } from "./strip";
import { StripCanvas } from "./stripcanvas";

export interface StripSource {
  recent: Recent;
  nowIndex: number;
}

export class StripBox {
  readonly element: HTMLElement;
  private readonly strip = new StripCanvas();
  private readonly readout = make("div", { class: "imk-readout", hidden: true });
  private readonly watch = new ResizeObserver(() => this.changed());
  private readonly themes = new MutationObserver(() => this.onTheme());
  private readonly dark = window.matchMedia("(prefers-color-scheme: dark)");

  constructor(
    private readonly source: StripSource,
    private readonly changed: () => void,
  ) {
    this.strip.canvas.addEventListener("mousemove", (event) => this.onPoint(event));
    this.strip.canvas.addEventListener("mouseleave", () => (this.readout.hidden = true));
    this.element = make("div", { class: "imk-strip-box" }, this.strip.canvas, this.readout);
  }

  attach(): void {
    this.watch.observe(this.strip.canvas);
    this.themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name", "class"] });
    this.dark.addEventListener("change", this.onTheme);
    this.onTheme();
  }

  detach(): void {
    this.watch.disconnect();
    this.themes.disconnect();
    this.dark.removeEventListener("change", this.onTheme);
  }

  draw(): void {
    const { recent } = this.source;
    this.strip.draw({ at: (i) => recent.get(i), last: recent.last?.i ?? -1, now: this.newest });
  }

  private get newest(): number {
    return Math.max(this.source.nowIndex, KEEP_TICKS - 1);
  }

  private readonly onTheme = (): void => {
    this.strip.readTheme();
    this.changed();
  };

  /** What one micro-turn held, under the pointer. */
  private onPoint(event: MouseEvent): void {
    const i = columnOf(event.offsetX, this.strip.canvas.clientWidth, this.newest);
    const moment = this.source.recent.get(i);
    this.readout.hidden = !moment;
    if (moment) setText(this.readout, momentWords(moment));
  }
}

export function momentWords(m: Moment): string {
  const said = (words: { text: string }[]) => words.map((w) => w.text).join(" ");
  const parts = [
    `${clock(m.i / 5)}${((m.i % 5) / 5).toFixed(1).slice(1)} tick ${m.i}`,
    `in ${Math.round(m.levelDb)} dB`,
    m.heard.length ? `heard "${said(m.heard)}"` : "",
    m.typed ? `typed "${m.typed}"` : "",
    m.floor,
    m.words.length ? `says "${said(m.words)}"` : "",
    ...m.calls.map((c) => `call ${c.name || c.kind}`),
    ...m.events.map((e) => `${e.kind}: ${e.text}`),
    `${m.computeMs.toFixed(0)} ms${m.late ? ", missed" : ""}`,
  ];
  return parts.filter(Boolean).join("  ·  ");
}
