// A chart as the kernel plotted it: shapes of numbers and plain strings, drawn as SVG elements one by one.

import { listOf, numberOr, textOr } from "./protocol";

const SVG = "http://www.w3.org/2000/svg";
const MAX_SHAPES = 20_000;
const SERIES = 8;

type Attributes = { [name: string]: string | number };

function shape(tag: string, attributes: Attributes, text = ""): SVGElement {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  if (text) element.textContent = text;
  return element;
}

/** Pairs of numbers as path commands; anything else in the list ends it. */
export function path(points: unknown, dots = false): string {
  const numbers = listOf(points);
  let d = "";
  for (let n = 0; n + 1 < numbers.length; n += 2) {
    const x = numbers[n], y = numbers[n + 1];
    if (typeof x !== "number" || typeof y !== "number" || !Number.isFinite(x) || !Number.isFinite(y)) break;
    d += dots ? `M${x} ${y}h0` : `${n === 0 ? "M" : "L"}${x} ${y}`;
  }
  return d;
}

export function drawChart(props: { [name: string]: unknown }): SVGElement {
  const width = numberOr(props.width, 640), height = numberOr(props.height, 320);
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": textOr(props.says), class: "imk-chart" });
  for (const one of listOf(props.shapes).slice(0, MAX_SHAPES)) svg.append(...drawShape(listOf(one)));
  return svg;
}

function drawShape(one: unknown[]): SVGElement[] {
  const n = (at: number) => numberOr(one[at], 0);
  const series = `imk-series imk-s${Math.abs(Math.trunc(n(1))) % SERIES}`;
  switch (one[0]) {
    case "bar": {
      const bar = shape("rect", { x: n(2), y: n(3), width: Math.max(0, n(4)), height: Math.max(0, n(5)), rx: 1.5, class: `${series} imk-bar` });
      bar.append(shape("title", {}, textOr(one[6])));
      return [bar];
    }
    case "line":
      return [shape("path", { d: listOf(one[2]).map((run) => path(run)).join(""), class: `${series} imk-line` })];
    case "dots":
      return [shape("path", { d: path(one[2], true), class: `${series} imk-dots` })];
    case "grid":
      return [shape("path", { d: path([n(1), n(2), n(3), n(4)]), class: one[5] === true ? "imk-axis" : "imk-grid" })];
    case "text": {
      const anchor = one[3] === "end" || one[3] === "middle" ? one[3] : "start";
      const turn: Attributes = one[5] === true ? { transform: `rotate(-35 ${n(1)} ${n(2)})` } : {};
      return [shape("text", { x: n(1), y: n(2), "text-anchor": anchor, ...turn }, textOr(one[4]))];
    }
    case "side":
      return [shape("text", { x: n(1), y: n(2), "text-anchor": "middle", transform: `rotate(-90 ${n(1)} ${n(2)})` }, textOr(one[3]))];
    case "key":
      return [
        shape("rect", { x: n(2), y: n(3) - 8, width: 10, height: 10, rx: 2, class: `${series} imk-bar` }),
        shape("text", { x: n(2) + 15, y: n(3) + 1, class: "imk-key" }, textOr(one[4])),
      ];
    default:
      return [];
  }
}
