import { describe, expect, it } from "vitest";
import { type Moment, momentOf, Recent } from "../src/protocol";
import { columnOf, GUTTER, laneTop, layoutStrip, LANES, phrases, STRIP_HEIGHT, type StripLayout } from "../src/strip";

const WIDTH = GUTTER + 600; // 4 px a column
const lay = (moments: Partial<Record<string, unknown>>[], now = 149): StripLayout => {
  const recent = new Recent();
  for (const m of moments) recent.add(momentOf(m as { [key: string]: unknown }));
  return layoutStrip({ at: (i) => recent.get(i), last: recent.last?.i ?? -1, now, width: WIDTH, measure: (text) => 6 * text.length });
};
const at = (layout: StripLayout, role: string) => layout.boxes.filter((box) => box.role === role);

it("an empty strip shows its lanes and nothing else", () => {
  const layout = lay([]);
  expect(at(layout, "lane").length).toBe(LANES.length);
  expect(layout.boxes.every((box) => box.role === "lane" || box.role === "grid")).toBe(true);
  expect(layout.height).toBe(STRIP_HEIGHT);
});

it("each micro-turn has its own column, now at the right edge", () => {
  const layout = lay([{ i: 0, frames: 1 }, { i: 149, frames: 1 }]);
  expect(at(layout, "camera").map((box) => box.x)).toEqual([GUTTER, GUTTER + 149 * 4]);
  expect(columnOf(GUTTER + 149 * 4 + 1, WIDTH, 149)).toBe(149);
  expect(columnOf(GUTTER, WIDTH, 200)).toBe(51);
});

it("time moves on while nothing comes: columns walk left and out", () => {
  expect(at(lay([{ i: 10, frames: 1 }], 159), "camera")[0]!.x).toBe(GUTTER);
  expect(at(lay([{ i: 10, frames: 1 }], 160), "camera")).toEqual([]);
});

it("times stand apart however narrow it is, and lines stay where they are", () => {
  for (const [plot, times] of [[600, ["0:30", "0:35", "0:40", "0:45", "0:50", "0:55"]], [150, ["0:30", "0:40", "0:50"]], [60, ["0:30"]]] as const) {
    const width = GUTTER + plot;
    const layout = layoutStrip({ at: () => undefined, last: -1, now: 299, width, measure: (text) => 6 * text.length });
    const labels = layout.labels.filter((label) => label.align === "left");
    expect(labels.map((label) => label.text)).toEqual(times);
    labels.slice(1).forEach((label, n) => expect(label.x - labels[n]!.x).toBeGreaterThanOrEqual(6 * 4 + 10));
    expect(at(layout, "grid").length).toBe(6);
  }
});

it("missing moments are drawn as gaps over all lanes, but what is yet to come is not", () => {
  const layout = lay([{ i: 5 }, { i: 8 }], 149);
  const gaps = at(layout, "gap");
  expect(gaps.map((box) => (box.x - GUTTER) / 4)).toEqual([6, 7]);
  expect(gaps[0]!.h).toBeGreaterThan(laneTop("deadline") - laneTop("microphone"));
});

it("a gap in the sound is drawn on the microphone's lane", () => {
  const [gap] = at(lay([{ i: 3, gap: true }]), "gap");
  expect(gap).toMatchObject({ y: laneTop("microphone"), h: LANES[0].height });
});

it("levels grow from nothing at -60 dB to the whole lane at 0 dB", () => {
  const layout = lay([{ i: 0, level: -100 }, { i: 1, level: -30 }, { i: 2, level: 0 }, { i: 3, own: 6 }]);
  expect(at(layout, "user").map((box) => box.h)).toEqual([15, 30]);
  expect(at(layout, "model").map((box) => box.h)).toEqual([30]);
});

it("a missed deadline stands out, and a met one is as high as it was long", () => {
  const layout = lay([{ i: 0, ms: 100 }, { i: 1, ms: 900, late: true }]);
  const full = LANES[LANES.length - 1]!.height;
  expect(at(layout, "ok")[0]!.h).toBe(full / 2);
  expect(at(layout, "missed")[0]!.h).toBe(full);
});

describe("words", () => {
  it("that follow each other are one phrase", () => {
    const words = [["two", 1, 1.2], ["plus", 1.3, 1.5], ["wait", 4, 4.2]].map(([text, startS, endS]) => ({ text, startS, endS })) as Moment["words"];
    expect(phrases(words).map((p) => p.text)).toEqual(["two plus", "wait"]);
  });

  it("never overlap: each phrase is clipped where the next begins", () => {
    const moments = [10, 20, 30].map((i) => ({ i, words: [["a rather long phrase", i / 5, i / 5 + 0.3]] }));
    const labels = lay(moments).labels.filter((label) => label.role === "model");
    expect(labels.length).toBe(3);
    for (let n = 1; n < labels.length; n++) {
      expect(labels[n - 1]!.clipX + labels[n - 1]!.clipW).toBeLessThanOrEqual(labels[n]!.clipX);
    }
  });

  it("at the right edge show their end", () => {
    const label = lay([{ i: 148, words: [["a rather long phrase", 29.6, 29.9]] }]).labels.find((l) => l.role === "model")!;
    expect(label.align).toBe("right");
    expect(label.x).toBeLessThanOrEqual(WIDTH);
    expect(label.clipW).toBeGreaterThan(100);
  });
});

it("a text too long for its place ends in an ellipsis; one at the right edge stands left of its mark", () => {
  const layout = lay([{ i: 100, typed: "a rather long line of text" }, { i: 115, typed: "next" }, { i: 149, typed: "now" }]);
  const labels = layout.labels.filter((label) => label.role === "typed");
  expect(labels[0]!.text).toMatch(/^a rath.*…$/);
  expect(6 * labels[0]!.text.length).toBeLessThanOrEqual(labels[0]!.clipW);
  expect(labels[2]).toMatchObject({ text: "now", align: "right" });
  expect(labels[2]!.x).toBeLessThan(GUTTER + 149 * 4);
});

it("odd moments do no harm", () => {
  const odd = momentOf({ i: "x", heard: [null, ["a"], [1, 2, 3], ["b", 2, 1]], calls: [null], events: "no", floor: "shout", level: NaN } as never);
  expect(odd).toMatchObject({ i: 0, floor: "listen", levelDb: -100, events: [] });
  expect(odd.heard).toEqual([{ text: "a", startS: 0, endS: 0 }, { text: "b", startS: 2, endS: 2 }]);
});

it("keeps 30 s and begins anew when the count does", () => {
  const recent = new Recent();
  for (let i = 0; i < 1000; i++) recent.add(momentOf({ i }));
  expect([recent.size, recent.get(849), recent.get(850)?.i]).toEqual([150, undefined, 850]);
  recent.add(momentOf({ i: 0 }));
  expect([recent.size, recent.last?.i]).toEqual([1, 0]);
});
