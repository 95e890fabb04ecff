// For people who do not see, do not see colours, do not hear, or write from right to left.

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Phrases } from "../src/captions";
import { momentOf } from "../src/protocol";
import { GUTTER, laneTop, layoutStrip } from "../src/strip";
import { isRightToLeft } from "../src/stripcanvas";
import { Transcript } from "../src/transcript";

type Rgb = [number, number, number];
const css = readFileSync(new URL("../src/widget.css", import.meta.url), "utf8");

/** The colours of one theme, with JupyterLab's own in place of its variables. */
function palette(dark: boolean): Record<string, string> {
  const light = /^\.imk-root \{([^}]*)\}/m.exec(css)![1]!;
  const rules = dark ? light + /\.imk-root\[data-imk-theme="dark"\] \{([^}]*)\}/.exec(css)![1]! : light;
  return Object.fromEntries([...rules.matchAll(/--imk-([\w-]+):\s*(?:var\([^,]+,\s*)?(#[0-9a-f]{3,6})/g)].map((found) => [found[1]!, found[2]!]));
}

function rgb(hex: string): Rgb {
  const full = hex.length === 4 ? hex.replace(/[0-9a-f]/g, "$&$&") : hex;
  return [1, 3, 5].map((at) => parseInt(full.slice(at, at + 2), 16) / 255) as Rgb;
}
const linear = (colour: Rgb) => colour.map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)) as Rgb;
const luminance = (colour: Rgb) => { const [r, g, b] = linear(colour); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };

/** WCAG 2.2: from 1 to 21. */
function contrast(a: string, b: string): number {
  const [low, high] = [luminance(rgb(a)), luminance(rgb(b))].sort((x, y) => x - y) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

/** Machado, Oliveira and Fernandes 2009, severity 1, on linear light. */
const SEEN: Record<string, number[][]> = {
  normal: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  protanopia: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  deuteranopia: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
  tritanopia: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
};

function lab(hex: string, eye: number[][]): Rgb {
  const light = linear(rgb(hex));
  const [r, g, b] = eye.map((row) => Math.min(1, Math.max(0, row[0]! * light[0] + row[1]! * light[1] + row[2]! * light[2]))) as Rgb;
  const f = (t: number) => (t > 216 / 24389 ? Math.cbrt(t) : (24389 / 27 * t + 16) / 116);
  const x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047);
  const y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
  const z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

/** CIE 1976 difference: 2.3 is just noticeable. */
function difference(a: string, b: string, eye: number[][]): number {
  const [one, two] = [lab(a, eye), lab(b, eye)];
  return Math.hypot(one[0] - two[0], one[1] - two[1], one[2] - two[2]);
}

/** Colours that stand beside each other and mean different things. */
const PAIRS = [["user", "model"], ["model", "backchannel"], ["call", "event"], ["ok", "missed"], ["user", "typed"], ["model", "missed"], ["user", "gap"]] as const;

describe.each([["light", false], ["dark", true]])("the colours of the %s theme", (_, dark) => {
  const colours = palette(dark as boolean);

  it.each(Object.keys(SEEN))("are told apart with %s vision", (vision) => {
    for (const [a, b] of PAIRS) expect(difference(colours[a]!, colours[b]!, SEEN[vision]!), `${a} and ${b}`).toBeGreaterThan(18);
  });

  it("stand out from the ground: text as text must, marks as marks must", () => {
    for (const text of ["user", "model", "typed", "call", "event", "missed", "ink", "text", "soft"]) {
      expect(contrast(colours[text]!, colours.bg!), text).toBeGreaterThanOrEqual(4.5);
    }
    for (const mark of ["camera", "backchannel", "gap", "focus"]) expect(contrast(colours[mark]!, colours.bg!), mark).toBeGreaterThanOrEqual(3);
  });
});

it("no lane tells anything by colour alone", () => {
  const drawn = (more: object) => {
    const moment = momentOf({ i: 149, floor: "listen", heard: [], words: [], calls: [], events: [], ms: 50, ...more });
    const layout = layoutStrip({ at: (i) => (i === 149 ? moment : undefined), last: 149, now: 149, width: GUTTER + 450, measure: (text) => 6 * text.length });
    return layout.boxes.filter((box) => box.role !== "lane" && box.role !== "grid");
  };
  const shapes = (more: object, lane: Parameters<typeof laneTop>[0], height: number) =>
    drawn(more).filter((box) => box.y >= laneTop(lane) - 4 && box.y < laneTop(lane) + height).map(({ x, y, w, h }) => [x, y, w, h].join());
  expect(shapes({ floor: "speak" }, "floor", 9)).not.toEqual(shapes({ floor: "backchannel" }, "floor", 9));
  expect(shapes({ calls: [{ name: "a" }] }, "calls", 17)).not.toEqual(shapes({ events: [{ kind: "a" }] }, "calls", 17));
  expect(shapes({ late: true }, "deadline", 15)).not.toEqual(shapes({ late: false }, "deadline", 15));
});

describe("captions for a screen reader", () => {
  const say = (transcript: Transcript, i: number, words: string[]) =>
    transcript.add(momentOf({ i, words: words.map((word, n) => [word, i / 5 + n / 20, i / 5 + n / 20 + 0.05]), heard: [] }));

  it("read a phrase out once, when it is whole", () => {
    const transcript = new Transcript(), phrases = new Phrases();
    say(transcript, 10, ["the", "mean"]);
    expect(phrases.next(transcript, 2.1)).toEqual([]);
    say(transcript, 11, ["is", "seven."]);
    expect(phrases.next(transcript, 2.3)).toEqual(["model: the mean is seven."]);
    say(transcript, 12, ["and"]);
    expect(phrases.next(transcript, 2.5)).toEqual([]);
    expect(phrases.next(transcript, 4)).toEqual(["model: and"]);
    expect(phrases.next(transcript, 9)).toEqual([]);
  });

  it("leave out what nobody heard, what the person said, and what was there before", () => {
    const transcript = new Transcript(), phrases = new Phrases();
    transcript.restore([{ who: "model", text: "old news", start_s: 0, end_s: 1 }], 5);
    transcript.allKnown();
    transcript.add(momentOf({ i: 20, heard: [["hello", 4, 4.2]], words: [] }));
    say(transcript, 40, ["one", "two"]);
    transcript.cut(transcript.cuttable(), 8.06);
    expect(phrases.next(transcript, 20)).toEqual(["model: one"]);
  });
});

it("texts from right to left are known by their first letter", () => {
  expect(["مرحبا", "«שלום» hello", "12 مرحبا"].every(isRightToLeft)).toBe(true);
  expect(["hello שלום", "", "42", "Ελλάδα"].some(isRightToLeft)).toBe(false);
});

describe("the words of the interface", () => {
  const folder = new URL("../src/", import.meta.url);
  // said to developers, never shown: errors of the codec, of the resampler, and of a socket that was misused
  const UNSEEN = /^\s*(\/\/|\*|\/\*)|new (FrameError|RangeError)\(|throw new Error\("the socket is closed"\)|throw new FrameError/;
  const KEYS = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "PageUp", "PageDown", "Home", "End", "Escape", "SecurityError", "AbortError"]);

  /** String literals that look like something to read: a word that begins with a capital, or several words. */
  function spoken(source: string): string[] {
    const found: string[] = [];
    for (const line of source.split("\n")) {
      if (UNSEEN.test(line) || /^(import|export) .* from "/.test(line) || /^} from "/.test(line)) continue;
      for (const literal of line.replace(/\/\/ .*$/, "").matchAll(/"([^"\\\n]*)"|'([^'\\\n]*)'|`([^`\n]*)`/g)) {
        const text = (literal[1] ?? literal[2] ?? literal[3] ?? "").replace(/\$\{[^}]*\}/g, "").trim();
        const isCode = /^(imk-|M\d|\d|--|\[|#|ws|rotate|scale|http:\/\/127)|imk-|px |image\/|text\/|utf-8|IPY_MODEL|2d|\.\/|prefers-/.test(text) || KEYS.has(text) || /^[A-Z]\w+Error$/.test(text);
        if (!isCode && (/^[A-Z][a-z]/.test(text) || /[A-Za-z]{2,} [A-Za-z]{2,}/.test(text))) found.push(text);
      }
    }
    return found;
  }

  it("stand in strings.ts and nowhere else", () => {
    const files = readdirSync(folder).filter((name) => name.endsWith(".ts") && name !== "strings.ts");
    const found = files.flatMap((name) => spoken(readFileSync(new URL(name, folder), "utf8")).map((text) => `${name}: ${text}`));
    expect(found).toEqual([]);
  });

  it("would be found elsewhere", () => {
    expect(spoken('make("button", { title: "Stop all" }, "Send")')).toEqual(["Stop all", "Send"]);
    expect(spoken("setText(line, `${n} characters in all`)")).toEqual(["characters in all"]);
  });
});
