// The components that a person uses. Each sends its value; what it may be is for the kernel to say.

import { make, setText } from "./dom";
import { listOf, numberOr, textOr } from "./protocol";
import type { Part, Props } from "./surfaceparts";

const SEND_MS = 100;
const OWN_MS = 600;

export type Send = (id: string, value: unknown) => void;

/** A control can be told new props in place, so that it keeps focus while it is used. */
export interface Control extends Part {
  update(props: Props): void;
}

/** Sends the first value at once, and then at most ten a second; the newest wins and is never lost. */
export class Throttle {
  private timer = 0;
  private waiting: { value: unknown } | null = null;
  private lastMs = -Infinity;

  constructor(private readonly send: (value: unknown) => void, private readonly now: () => number = () => performance.now()) {}

  push(value: unknown): void {
    const waitMs = this.lastMs + SEND_MS - this.now();
    if (waitMs <= 0 && !this.timer) {
      this.lastMs = this.now();
      this.send(value);
      return;
    }
    this.waiting = { value };
    if (!this.timer) this.timer = setTimeout(() => this.flush(), Math.max(0, waitMs)) as unknown as number;
  }

  flush(): void {
    clearTimeout(this.timer);
    this.timer = 0;
    const { waiting } = this;
    this.waiting = null;
    if (!waiting) return;
    this.lastMs = this.now();
    this.send(waiting.value);
  }

  /** Whether the person changed it so lately that the kernel's older value must not undo it. */
  get own(): boolean {
    return this.waiting !== null || this.now() - this.lastMs < OWN_MS;
  }
}

export function isControl(kind: string): boolean {
  return ["slider", "number", "choice", "checkbox", "input", "button"].includes(kind);
}

export function drawControl(kind: string, id: string, props: Props, send: Send): Control {
  const throttle = new Throttle((value) => send(id, value));
  switch (kind) {
    case "slider":
      return slider(props, throttle);
    case "number":
      return number(props, throttle);
    case "choice":
      return choice(props, throttle);
    case "checkbox":
      return checkbox(props, throttle);
    case "input":
      return input(props, throttle);
    default:
      return button(props, () => send(id, null));
  }
}

function labelled(control: HTMLElement, aside: HTMLElement | null = null): { element: HTMLElement; name: HTMLElement } {
  const name = make("span", { class: "imk-label" });
  const head = make("span", { class: "imk-ends" }, name, ...(aside ? [aside] : []));
  return { element: make("label", { class: "imk-control" }, head, control), name };
}

function slider(props: Props, throttle: Throttle): Control {
  const range = make("input", { type: "range", class: "imk-range" });
  const value = make("output", { class: "imk-value" });
  const { element, name } = labelled(range, value);
  const draw = () => {
    const low = Number(range.min), high = Number(range.max);
    setText(value, String(Number(Number(range.value).toPrecision(6))));
    range.style.setProperty("--imk-share", `${(100 * (Number(range.value) - low)) / (high - low || 1)}%`);
  };
  range.addEventListener("input", () => {
    draw();
    throttle.push(Number(range.value));
  });
  range.addEventListener("change", () => throttle.flush());
  const update = (next: Props) => {
    setText(name, textOr(next.label));
    const low = numberOr(next.min, 0), high = numberOr(next.max, 100);
    range.min = String(low);
    range.max = String(high);
    range.step = typeof next.step === "number" ? String(next.step) : "any";
    if (!throttle.own) range.value = String(numberOr(next.value, low));
    draw();
  };
  update(props);
  return { element, update };
}

function number(props: Props, throttle: Throttle): Control {
  const field = make("input", { type: "number", class: "imk-field" });
  const { element, name } = labelled(field);
  field.addEventListener("input", () => {
    if (field.value !== "" && field.validity.valid) throttle.push(Number(field.value));
  });
  field.addEventListener("change", () => throttle.flush());
  const update = (next: Props) => {
    setText(name, textOr(next.label));
    field.min = typeof next.min === "number" ? String(next.min) : "";
    field.max = typeof next.max === "number" ? String(next.max) : "";
    field.step = typeof next.step === "number" ? String(next.step) : "any";
    if (!throttle.own && !field.matches(":focus")) field.value = String(numberOr(next.value, 0));
  };
  update(props);
  return { element, update };
}

function choice(props: Props, throttle: Throttle): Control {
  const select = make("select", { class: "imk-field" });
  const { element, name } = labelled(select);
  select.addEventListener("change", () => throttle.push(select.value));
  let shown = "";
  const update = (next: Props) => {
    setText(name, textOr(next.label));
    const options = listOf(next.options).map((one) => textOr(one));
    if (shown !== JSON.stringify(options)) {
      shown = JSON.stringify(options);
      select.replaceChildren(...options.map((one) => make("option", { value: one }, one)));
    }
    if (!throttle.own) select.value = textOr(next.value);
  };
  update(props);
  return { element, update };
}

function checkbox(props: Props, throttle: Throttle): Control {
  const box = make("input", { type: "checkbox" });
  const name = make("span");
  box.addEventListener("change", () => throttle.push(box.checked));
  const update = (next: Props) => {
    setText(name, textOr(next.label));
    if (!throttle.own) box.checked = next.value === true;
  };
  update(props);
  return { element: make("label", { class: "imk-check" }, box, name), update };
}

function input(props: Props, throttle: Throttle): Control {
  const field = make("input", { type: "text", class: "imk-field", autocomplete: "off", maxlength: "500" });
  const { element, name } = labelled(field);
  field.addEventListener("change", () => {
    throttle.push(field.value);
    throttle.flush();
  });
  const update = (next: Props) => {
    setText(name, textOr(next.label));
    field.placeholder = textOr(next.placeholder);
    if (!throttle.own && !field.matches(":focus")) field.value = textOr(next.value);
  };
  update(props);
  return { element, update };
}

function button(props: Props, press: () => void): Control {
  const element = make("button", { type: "button", class: "imk-press", onclick: press });
  const update = (next: Props) => {
    setText(element, textOr(next.label));
    element.classList.toggle("imk-primary", next.style === "primary");
  };
  update(props);
  return { element, update };
}
