// The components that only show something. Text goes in as text; there is no way here to make HTML or an address.

import { make, setText } from "./dom";
import { listOf, numberOr, textOr } from "./protocol";
import { SURFACE } from "./strings";
import { drawChart } from "./surfacechart";

export type Props = { [name: string]: unknown };

/** A drawn component: its element, and where its children go when it may have any. */
export interface Part {
  element: Element;
  place?: (children: Element[]) => void;
}

const HEADINGS = ["h3", "h3", "h4", "h5", "h6"] as const;

function span([style, text]: unknown[]): Node {
  const words = textOr(text);
  if (style === "b" || style === "i") return make(style, {}, words);
  if (style === "code") return make("code", { class: "imk-inline" }, words);
  return document.createTextNode(words);
}

function block(one: unknown[]): HTMLElement {
  const lines = listOf(one[1]).map((line) => listOf(line).map((part) => span(listOf(part))));
  if (one[0] === "ul" || one[0] === "ol") return make(one[0], {}, ...lines.map((line) => make("li", {}, ...line)));
  return make("p", {}, ...lines.flatMap((line, n) => (n ? [make("br"), ...line] : line)));
}

function holder(className: string, title = ""): Part {
  const inside = make("div", { class: className });
  if (!title) return { element: inside, place: (children) => keep(inside, children) };
  const outside = make("div", { class: "imk-card" }, make("div", { class: "imk-title" }, title), inside);
  return { element: outside, place: (children) => keep(inside, children) };
}

/** Puts children in order without touching those that are in place already, so that focus and scrolling stay. */
export function keep(host: Element, children: Element[]): void {
  children.forEach((child, n) => {
    if (host.children[n] !== child) host.insertBefore(child, host.children[n] ?? null);
  });
  while (host.children.length > children.length) host.lastElementChild!.remove();
}

function tabs(labels: string[]): Part {
  const list = make("div", { class: "imk-tablist", role: "tablist" });
  const inside = make("div", { class: "imk-tabbed" });
  let chosen = 0;
  const choose = (n: number, focus = false) => {
    chosen = Math.max(0, Math.min(n, list.children.length - 1));
    [...list.children].forEach((tab, at) => {
      tab.setAttribute("aria-selected", String(at === chosen));
      (tab as HTMLElement).tabIndex = at === chosen ? 0 : -1;
      if (focus && at === chosen) (tab as HTMLElement).focus();
    });
    [...inside.children].forEach((page, at) => page.classList.toggle("imk-away", at !== chosen));
  };
  list.addEventListener("keydown", (event) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (step) choose(chosen + step, true);
  });
  list.append(...labels.map((label, n) => make("button", { class: "imk-tab", type: "button", role: "tab", onclick: () => choose(n) }, label)));
  return {
    element: make("div", {}, list, inside),
    place: (children) => {
      keep(inside, children);
      for (const child of children) child.setAttribute("role", "tabpanel");
      choose(chosen);
    },
  };
}

function table(props: Props): Part {
  const numeric = listOf(props.numeric);
  const side = (n: number) => ({ class: numeric[n] === true ? "imk-numeric" : false });
  const head = listOf(props.columns).map((name, n) => make("th", { scope: "col", ...side(n) }, textOr(name)));
  const rows = listOf(props.rows).map((row) => make("tr", {}, ...listOf(row).map((value, n) => make("td", side(n), textOr(value)))));
  const title = textOr(props.title);
  const body = make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
  return { element: make("div", { class: "imk-table" }, ...(title ? [make("div", { class: "imk-title" }, title)] : []), body) };
}

function metric(props: Props): Part {
  const delta = typeof props.delta === "number" ? props.delta : null;
  const parts: Node[] = [make("span", { class: "imk-big" }, textOr(props.value)), make("span", { class: "imk-unit" }, textOr(props.unit))];
  if (delta !== null) {
    const way = delta > 0 ? "up" : delta < 0 ? "down" : "same";
    parts.push(make("span", { class: `imk-delta imk-${way}` }, `${{ up: "▲", down: "▼", same: "•" }[way]} ${Number(Math.abs(delta).toPrecision(6))}`));
  }
  return { element: make("div", { class: "imk-metric" }, make("div", { class: "imk-label" }, textOr(props.label)), make("div", {}, ...parts)) };
}

function progress(props: Props): Part {
  const most = numberOr(props.max, 1);
  const share = typeof props.value === "number" && most > 0 ? Math.max(0, Math.min(1, props.value / most)) : null;
  const fill = make("div", { class: share === null ? "imk-fill imk-busy" : "imk-fill" });
  if (share !== null) fill.style.transform = `scaleX(${share})`;
  const said = share === null ? "" : SURFACE.percent(share);
  const bar = make("div", {
    class: "imk-track", role: "progressbar", "aria-label": textOr(props.label) || SURFACE.progress, "aria-valuemin": "0", "aria-valuemax": "100",
    ...(share === null ? {} : { "aria-valuenow": String(Math.round(share * 100)) }),
  }, fill);
  return { element: make("div", { class: "imk-progress" }, make("div", { class: "imk-ends" }, make("span", {}, textOr(props.label)), make("span", {}, said)), bar) };
}

/** Code to read and copy; where the page lets us add a cell, a button for that too. */
export function codeBlock(text: string, language: string): HTMLElement {
  const copy = make("button", { class: "imk-small", type: "button" }, SURFACE.copy);
  copy.addEventListener("click", () => {
    const done = (word: string) => {
      setText(copy, word);
      setTimeout(() => setText(copy, SURFACE.copy), 1500);
    };
    navigator.clipboard?.writeText(text).then(() => done(SURFACE.copied), () => done(SURFACE.notAllowed)) ?? done(SURFACE.notAllowed);
  });
  const buttons: Node[] = [copy];
  if (canInsert() && (language === "python" || language === "")) {
    buttons.unshift(make("button", { class: "imk-small", type: "button", onclick: () => insertCell(text) }, SURFACE.insert));
  }
  return make("div", { class: "imk-code" }, make("div", { class: "imk-code-bar" }, make("span", {}, language), ...buttons), make("pre", {}, make("code", {}, text)));
}

interface Cells {
  insertCell(at: number, cell: { cell_type: string; source: string }): void;
}

/** The open notebook, where the page shows its application to widgets (JupyterLab and Notebook 7 may). */
function notebook(): { cells: Cells; at: number } | null {
  const app = (window as unknown as { jupyterapp?: any }).jupyterapp;
  const content = app?.shell?.currentWidget?.content;
  const cells = content?.model?.sharedModel;
  return typeof cells?.insertCell === "function" ? { cells, at: numberOr(content.activeCellIndex, 0) } : null;
}

function canInsert(): boolean {
  return notebook() !== null;
}

/** Adds a cell below the active one. It is never run: that is for the person to do. */
function insertCell(source: string): void {
  const found = notebook();
  found?.cells.insertCell(found.at + 1, { cell_type: "code", source });
}

export function drawPart(kind: string, props: Props, picture: (name: string) => string): Part {
  switch (kind) {
    case "text":
      return { element: make("div", { class: "imk-text" }, ...listOf(props.blocks).map((one) => block(listOf(one)))) };
    case "heading": {
      const level = numberOr(props.level, 2);
      return { element: make(HEADINGS[level] ?? "h4", { class: `imk-heading imk-h${level}` }, textOr(props.text)) };
    }
    case "row":
      return holder(`imk-row imk-align-${["start", "center", "end"].includes(textOr(props.align)) ? textOr(props.align) : "stretch"}`);
    case "column":
      return holder("imk-column");
    case "card":
      return textOr(props.title) ? holder("imk-column", textOr(props.title)) : holder("imk-card imk-column");
    case "tabs":
      return tabs(listOf(props.labels).map((label) => textOr(label)));
    case "divider":
      return { element: make("hr", { class: "imk-divider" }) };
    case "metric":
      return metric(props);
    case "table":
      return table(props);
    case "chart": {
      const title = textOr(props.title);
      return { element: make("div", {}, ...(title ? [make("div", { class: "imk-title" }, title)] : []), drawChart(props)) };
    }
    case "image": {
      const src = picture(textOr(props.ref));
      if (!src.startsWith("blob:")) return { element: make("div", { class: "imk-fault" }, SURFACE.picture) };
      return { element: make("img", { class: "imk-image", alt: textOr(props.alt), src }) };
    }
    case "code":
      return { element: codeBlock(textOr(props.text), textOr(props.language)) };
    case "progress":
      return progress(props);
    default:
      return { element: make("div", { class: "imk-fault", role: "note" }, SURFACE.notShown(textOr(props.text) || kind)) };
  }
}
