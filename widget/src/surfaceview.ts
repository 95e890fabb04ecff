// One surface on a page: draws what the kernel has laid out, and brings it up to date component by component.

import type { Json } from "./codec";
import { make, setText } from "./dom";
import { listOf, numberOr, textOr } from "./protocol";
import { SURFACE } from "./strings";
import { type Control, drawControl, isControl, type Send } from "./surfacecontrols";
import { codeBlock, drawPart, keep, type Part, type Props } from "./surfaceparts";
import { followTheme } from "./theme";

const MAX_DEPTH = 16;
const MAX_COMPONENTS = 2_000;

interface Held {
  kind: string;
  props: Props;
  children: string[];
  key: string;
  part: Part | Control | null;
}

/** What the kernel said last: components by id, and which are drawn one below the other. */
export class Tree {
  readonly held = new Map<string, Held>();
  roots: string[] = [];
  changed = new Set<string>();

  take(message: Json): void {
    const whole = message.whole === true;
    const named = new Set<string>();
    for (const one of listOf(message.components).slice(0, MAX_COMPONENTS)) {
      const line = listOf(one);
      const [id, kind] = line;
      if (typeof id !== "string" || typeof kind !== "string") continue;
      const props = typeof line[2] === "object" && line[2] !== null && !Array.isArray(line[2]) ? (line[2] as Props) : {};
      const key = JSON.stringify([kind, props]);
      named.add(id);
      const before = this.held.get(id);
      const children = listOf(line[3]).filter((child): child is string => typeof child === "string");
      if (before && before.key === key) {
        before.children = children;
        continue;
      }
      const part = before && before.kind === kind && isControl(kind) ? before.part : null;
      this.held.set(id, { kind, props, children, key, part });
      this.changed.add(id);
    }
    for (const id of [...this.held.keys()]) {
      if (whole ? !named.has(id) : listOf(message.gone).includes(id)) this.held.delete(id);
    }
    this.roots = listOf(message.roots).filter((id): id is string => typeof id === "string");
  }
}

export class SurfaceView {
  readonly element: HTMLElement;
  private readonly tree = new Tree();
  private readonly pictures = new Map<string, string>();
  private readonly title = make("span", { class: "imk-surface-title" });
  private readonly source = make("span", { class: "imk-surface-source" });
  private readonly body = make("div", { class: "imk-surface-body" });
  private readonly below = make("div", { class: "imk-surface-code" });
  private readonly pin: HTMLButtonElement;
  private readonly code: HTMLButtonElement;
  private readonly themeless: () => void;

  constructor(private readonly send: (message: Json) => void) {
    const button = (name: string, title: string, type: string) =>
      make("button", { class: "imk-small", type: "button", title, onclick: () => this.send({ type }) }, name);
    this.pin = button(SURFACE.pin, SURFACE.pinTitle, "pin");
    this.code = button(SURFACE.code, SURFACE.codeTitle, "code");
    const close = button("✕", SURFACE.close, "close");
    close.setAttribute("aria-label", SURFACE.close);
    this.code.addEventListener("click", (event) => {
      if (!this.below.hasChildNodes()) return;
      event.stopImmediatePropagation();
      this.below.replaceChildren();
    }, { capture: true });
    const head = make("header", { class: "imk-surface-head" }, this.title, this.source, this.pin, this.code, close);
    this.element = make("section", { class: "imk-surface", "data-lm-suppress-shortcuts": "true" }, head, this.body, this.below);
    for (const type of ["keydown", "keyup", "keypress"]) this.element.addEventListener(type, (event) => event.stopPropagation());
    this.themeless = followTheme(this.element);
  }

  take(message: Json, buffers: readonly (DataView | ArrayBuffer)[] = []): void {
    if (message.type === "code") this.below.replaceChildren(codeBlock(textOr(message.text), "python"));
    if (message.type !== "draw") return;
    listOf(message.pictures).forEach((name, n) => this.picture(textOr(name), buffers[n]));
    this.tree.take(message);
    setText(this.title, textOr(message.title));
    setText(this.source, textOr(message.source));
    this.element.setAttribute("aria-label", textOr(message.title) || SURFACE.name);
    this.pin.hidden = message.pinned === null; // no notebook to pin it into
    setText(this.pin, message.pinned === true ? SURFACE.pinned : SURFACE.pin);
    this.pin.setAttribute("aria-pressed", String(message.pinned === true));
    this.draw();
    this.send({ type: "drawn", n: numberOr(message.n, 0) });
  }

  dispose(): void {
    this.themeless();
    for (const url of this.pictures.values()) URL.revokeObjectURL(url);
    this.pictures.clear();
    this.element.remove();
  }

  private picture(name: string, bytes: DataView | ArrayBuffer | undefined): void {
    if (!bytes) return;
    const before = this.pictures.get(name);
    if (before) URL.revokeObjectURL(before);
    this.pictures.set(name, URL.createObjectURL(new Blob([bytes as BlobPart], { type: "image/png" })));
    for (const held of this.tree.held.values()) if (held.kind === "image") held.part = null;
  }

  private draw(): void {
    const { tree } = this;
    const act: Send = (id, value) => this.send({ type: "action", component: id, value });
    const used = new Set<string>();
    const place = (id: string, depth: number): Element[] => {
      const held = tree.held.get(id);
      if (!held || used.has(id) || depth > MAX_DEPTH) return [];
      used.add(id);
      if (held.part && "update" in held.part && tree.changed.has(id)) held.part.update(held.props);
      held.part ??= isControl(held.kind)
        ? drawControl(held.kind, id, held.props, act)
        : drawPart(held.kind, held.props, (name) => this.pictures.get(name) ?? "");
      const children = held.children.flatMap((child) => place(child, depth + 1));
      held.part.place?.(children);
      return [held.part.element];
    };
    keep(this.body, tree.roots.flatMap((id) => place(id, 0)));
    tree.changed.clear();
  }
}
