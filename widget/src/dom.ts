// Small helpers to build the view. Text goes in as text, never as HTML.

type Attributes = { [name: string]: string | boolean | ((event: any) => void) };

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.replace(/^on/, ""), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const ICONS = {
  microphone: "M8 1.5a2.2 2.2 0 0 0-2.2 2.2v4a2.2 2.2 0 0 0 4.4 0v-4A2.2 2.2 0 0 0 8 1.5M3.8 7.2v.6a4.2 4.2 0 0 0 8.4 0v-.6M8 12v2.5M5.6 14.5h4.8",
  camera: "M1.8 4.3h8.4v7.4H1.8zM10.2 7.2l4-2.2v6l-4-2.2",
  play: "M4.5 2.8v10.4l8.6-5.2z",
  stop: "M4 4h8v8H4z",
  voice: "M2 6.5v3M5 4v8M8 2v12M11 5v6M14 6.5v3",
} as const;

export function icon(name: keyof typeof ICONS): SVGSVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", `imk-icon imk-icon-${name}`);
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** A switch with a label, for the keyboard as for the pointer. */
export function toggle(text: string, title: string, onclick: () => void): HTMLButtonElement {
  const element = make("button", { class: "imk-switch", type: "button", title, role: "switch", "aria-checked": "false", onclick });
  element.append(make("span", { class: "imk-knob", "aria-hidden": "true" }), text);
  return element;
}

export function press(element: HTMLElement, on: boolean): void {
  element.setAttribute(element.getAttribute("role") === "switch" ? "aria-checked" : "aria-pressed", String(on));
}
