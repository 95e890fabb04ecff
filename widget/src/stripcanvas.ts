// Draws the strip's layout on a canvas, in the colours of the theme.

import { type Box, GUTTER, layoutStrip, type Role, STRIP_HEIGHT, type StripInput } from "./strip";
import { STRIP } from "./strings";

const FONT = '10.5px var(--imk-font, system-ui, sans-serif)';
const ROLES: Role[] = [
  "user", "userSoft", "model", "modelSoft", "backchannel", "typed", "camera", "call", "event",
  "ok", "missed", "gap", "grid", "label", "lane",
];

/** Whether the first letter of a text is of a script that is written from right to left, which dir="auto" looks at too. */
export function isRightToLeft(text: string): boolean {
  const first = /\p{L}/u.exec(text)?.[0] ?? "";
  return /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Adlam}]/u.test(first);
}

export class StripCanvas {
  readonly canvas = document.createElement("canvas");
  private readonly context = this.canvas.getContext("2d")!;
  private colours: Record<Role, string> = {} as Record<Role, string>;
  private font = FONT;
  private themed = false; // a canvas that is not in the page yet has no colours to read

  constructor() {
    this.canvas.className = "imk-strip";
    for (const [name, value] of Object.entries({ role: "slider", tabindex: "0", "aria-label": STRIP.name })) this.canvas.setAttribute(name, value);
    this.canvas.style.height = `${STRIP_HEIGHT}px`;
  }

  readTheme(): void {
    this.themed = this.canvas.isConnected;
    const style = getComputedStyle(this.canvas);
    for (const role of ROLES) {
      const name = `--imk-${role.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;
      this.colours[role] = style.getPropertyValue(name).trim() || "#888";
    }
    this.font = `10.5px ${style.fontFamily || "system-ui, sans-serif"}`;
  }

  draw(input: Omit<StripInput, "width" | "measure">): void {
    const width = Math.floor(this.canvas.clientWidth);
    if (width < GUTTER + 20) return; // hidden or not laid out yet
    if (!this.themed) this.readTheme();
    const ratio = window.devicePixelRatio || 1;
    const pixels = Math.round(width * ratio);
    const tall = Math.round(STRIP_HEIGHT * ratio);
    if (this.canvas.width !== pixels || this.canvas.height !== tall) {
      this.canvas.width = pixels;
      this.canvas.height = tall;
    }
    const c = this.context;
    c.setTransform(pixels / width, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, width, STRIP_HEIGHT);
    c.font = this.font;
    c.textBaseline = "middle";
    const layout = layoutStrip({ ...input, width, measure: (text) => c.measureText(text).width });
    for (const box of layout.boxes) this.box(box);
    for (const label of layout.labels) {
      c.save();
      c.beginPath();
      c.rect(label.clipX, 0, label.clipW, STRIP_HEIGHT);
      c.clip();
      c.fillStyle = this.colours[label.role];
      c.textAlign = label.align;
      c.direction = isRightToLeft(label.text) ? "rtl" : "ltr";
      c.fillText(label.text, label.x, label.y);
      c.restore();
    }
  }

  private box(box: Box): void {
    const c = this.context;
    c.fillStyle = this.colours[box.role];
    if (box.role !== "gap") return c.fillRect(box.x, box.y, box.w, box.h);
    c.save();
    c.globalAlpha = box.h > 60 ? 0.16 : 0.5;
    c.fillRect(box.x, box.y, box.w, box.h);
    c.restore();
    c.save();
    c.beginPath();
    c.rect(box.x, box.y, box.w, box.h);
    c.clip();
    c.strokeStyle = this.colours.gap;
    c.lineWidth = 1;
    c.beginPath();
    const from = Math.floor((box.x - box.h) / 6) * 6;
    for (let x = from; x < box.x + box.w; x += 6) {
      c.moveTo(x, box.y + box.h);
      c.lineTo(x + box.h, box.y);
    }
    c.stroke();
    c.restore();
  }
}
