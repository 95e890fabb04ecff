import { describe, expect, it, vi } from "vitest";
import { path } from "../src/surfacechart";
import { Throttle } from "../src/surfacecontrols";
import { Tree } from "../src/surfaceview";

describe("paths are made of numbers only", () => {
  it.each([
    [[1, 2, 3, 4.5], false, "M1 2L3 4.5"],
    [[1, 2, 3, 4], true, "M1 2h0M3 4h0"],
    [[1, 2, 3], false, "M1 2"],
    [[1, "2M0 0", 3, 4], false, ""],
    [[1, 2, NaN, 4], false, "M1 2"],
    ["M0 0", false, ""],
    [null, false, ""],
  ])("%j", (points, dots, d) => expect(path(points, dots)).toBe(d));
});

describe("the newest value wins and is never lost", () => {
  it("sends the first at once and the last of a burst after 100 ms", () => {
    vi.useFakeTimers();
    let nowMs = 1000;
    const sent: unknown[] = [];
    const throttle = new Throttle((value) => sent.push(value), () => nowMs);
    for (const value of [1, 2, 3]) throttle.push(value);
    expect(sent).toEqual([1]);
    expect(throttle.own).toBe(true);
    nowMs += 100;
    vi.advanceTimersByTime(100);
    expect(sent).toEqual([1, 3]);
    throttle.push(4);
    throttle.flush();
    expect(sent).toEqual([1, 3, 4]);
    throttle.flush();
    expect(sent).toEqual([1, 3, 4]);
    nowMs += 1000;
    expect(throttle.own).toBe(false);
    vi.useRealTimers();
  });
});

describe("what the kernel laid out", () => {
  const draw = (components: unknown, more = {}) => ({ type: "draw", roots: ["root"], components, ...more });

  it("keeps what did not change and forgets what is gone", () => {
    const tree = new Tree();
    tree.take(draw([["root", "row", {}, ["a"]], ["a", "text", { blocks: [] }, []]], { whole: true }));
    expect([...tree.changed]).toEqual(["root", "a"]);
    const before = tree.held.get("a");
    tree.changed.clear();
    tree.take(draw([["a", "text", { blocks: [] }, []], ["b", "divider", {}, []]]));
    expect([...tree.changed]).toEqual(["b"]);
    expect(tree.held.get("a")).toBe(before);
    tree.take(draw([], { gone: ["a"] }));
    expect([...tree.held.keys()]).toEqual(["root", "b"]);
    tree.take(draw([["root", "divider", {}, []]], { whole: true }));
    expect([...tree.held.keys()]).toEqual(["root"]);
  });

  it("keeps a control where only its props change, so that focus stays", () => {
    const tree = new Tree();
    tree.take(draw([["s", "slider", { value: 1 }, []]]));
    const part = { element: {} as Element, update: () => {} };
    tree.held.get("s")!.part = part;
    tree.take(draw([["s", "slider", { value: 2 }, []]]));
    expect(tree.held.get("s")!.part).toBe(part);
    tree.take(draw([["s", "checkbox", { value: true }, []]]));
    expect(tree.held.get("s")!.part).toBeNull();
  });

  it.each([[null], ["x"], [[1, [], ["a"], ["a", 3], [3, "text"], { id: "a" }]]])("takes nothing from %j", (components) => {
    const tree = new Tree();
    tree.take(draw(components, { roots: [1, {}, "x"], gone: 7 }));
    expect(tree.held.size).toBe(0);
    expect(tree.roots).toEqual(["x"]);
  });

  it("a name that objects know is a name like any other", () => {
    const tree = new Tree();
    tree.take(draw([["__proto__", "text", { polluted: true }, []], ["constructor", "divider", {}, []]]));
    expect(tree.held.size).toBe(2);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});
