// The strip with what stands under the pointer or the arrow keys, kept in the colours of the page's theme.

import { make, setText } from "./dom";
import { KEEP_TICKS, type Moment, type Recent } from "./protocol";
import { STATUS, STRIP } from "./strings";
import { clock, columnOf } from "./strip";
import { StripCanvas } from "./stripcanvas";

const PAGE_TICKS = 5;

export interface StripSource {
  recent: Recent;
  nowIndex: number;
}

export class StripBox {
  readonly element: HTMLElement;
  private readonly strip = new StripCanvas();
  private readonly readout = make("div", { class: "imk-readout", hidden: true, dir: "auto" });
  private readonly watch = new ResizeObserver(() => this.changed());
  private cursor: number | null = null; // the micro-turn that is read out

  constructor(
    private readonly source: StripSource,
    private readonly changed: () => void,
  ) {
    const { canvas } = this.strip;
    canvas.addEventListener("mousemove", (event) => this.point(columnOf(event.offsetX, canvas.clientWidth, this.newest)));
    canvas.addEventListener("mouseleave", () => this.point(null));
    canvas.addEventListener("blur", () => this.point(null));
    canvas.addEventListener("keydown", (event) => this.onKey(event));
    this.element = make("div", { class: "imk-strip-box" }, canvas, this.readout);
    this.tell(undefined);
  }

  attach(): void {
    this.watch.observe(this.strip.canvas);
  }

  detach(): void {
    this.watch.disconnect();
  }

  /** The page's colours are others now. */
  themed(): void {
    this.strip.readTheme();
    this.changed();
  }

  draw(): void {
    const { recent } = this.source;
    const input = { at: (i: number) => recent.get(i), last: recent.last?.i ?? -1, now: this.newest };
    this.strip.draw(this.cursor === null ? input : { ...input, cursor: this.cursor });
  }

  private get newest(): number {
    return Math.max(this.source.nowIndex, KEEP_TICKS - 1);
  }

  /** Reads out one micro-turn; null for none. */
  private point(i: number | null): void {
    const moment = i === null ? undefined : this.source.recent.get(i);
    this.cursor = moment?.i ?? null;
    this.readout.hidden = !moment;
    if (moment) setText(this.readout, momentWords(moment));
    this.tell(moment);
    this.changed();
  }

  private onKey(event: KeyboardEvent): void {
    const { recent } = this.source;
    const last = recent.last?.i;
    if (event.key === "Escape") return this.point(null);
    if (last === undefined) return;
    const from = this.cursor ?? last + 1;
    const places: Record<string, number> = {
      ArrowLeft: from - 1, ArrowRight: from + 1, ArrowDown: from - 1, ArrowUp: from + 1,
      PageDown: from - PAGE_TICKS, PageUp: from + PAGE_TICKS, Home: recent.first, End: last,
    };
    const to = places[event.key];
    if (to === undefined) return;
    event.preventDefault();
    let at = Math.max(recent.first, Math.min(last, to));
    const way = at < from ? -1 : 1;
    while (at > recent.first && at < last && !recent.get(at)) at += way; // micro-turns that never came are passed over
    this.point(at);
  }

  /** What a screen reader says of the strip: the micro-turn that is pointed at. */
  private tell(moment: Moment | undefined): void {
    const { recent } = this.source;
    const last = recent.last?.i ?? 0;
    const values = { valuemin: recent.first, valuemax: last, valuenow: moment?.i ?? last };
    for (const [name, value] of Object.entries(values)) this.strip.canvas.setAttribute(`aria-${name}`, String(value));
    this.strip.canvas.setAttribute("aria-valuetext", moment ? momentWords(moment) : STRIP.nothing);
  }
}

export function momentWords(m: Moment): string {
  const said = (words: { text: string }[]) => words.map((w) => w.text).join(" ");
  const parts = [
    STRIP.tick(`${clock(m.i / 5)}${((m.i % 5) / 5).toFixed(1).slice(1)}`, m.i),
    STRIP.level(Math.round(m.levelDb)),
    m.heard.length ? STRIP.heard(said(m.heard)) : "",
    m.typed ? STRIP.typed(m.typed) : "",
    m.floor,
    m.words.length ? STRIP.says(said(m.words)) : "",
    ...m.calls.map((c) => STRIP.call(c.name || c.kind)),
    ...m.events.map((e) => STRIP.event(e.kind, e.text)),
    STRIP.computed(m.computeMs.toFixed(0), m.late),
  ];
  return parts.filter(Boolean).join(STATUS.between);
}
