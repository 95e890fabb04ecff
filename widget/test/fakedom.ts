// As much of a document as small views use.
export class FakeElement {
  static readonly document = { createElement: (tag: string) => new FakeElement(tag) };
  attributes: Record<string, string> = {};
  children: (FakeElement | string)[] = [];
  listeners: Record<string, () => void> = {};
  parent: FakeElement | null = null;
  disabled = false;
  hidden = false;
  focused = 0;
  constructor(readonly tag: string) {}
  getAttribute(name: string): string | null { return this.attributes[name] ?? null; }
  setAttribute(name: string, value: string): void { this.attributes[name] = value; }
  addEventListener(name: string, call: () => void): void { this.listeners[name] = call; }
  append(...nodes: (FakeElement | string)[]): void {
    for (const node of nodes) {
      if (node instanceof FakeElement) node.parent = this;
      this.children.push(node);
    }
  }
  remove(): void { if (this.parent) this.parent.children = this.parent.children.filter((child) => child !== this); }
  focus(): void { this.focused++; }
  get textContent(): string { return this.children.map((child) => (typeof child === "string" ? child : child.textContent)).join(""); }
  set textContent(text: string) { this.children = [text]; }
  set innerHTML(_: string) { throw new Error("HTML"); }
  all(): FakeElement[] { return this.children.flatMap((child) => (child instanceof FakeElement ? [child, ...child.all()] : [])); }
  of(name: string): FakeElement[] { return this.all().filter((element) => (element.attributes.class ?? "").split(" ").includes(name)); }
}
