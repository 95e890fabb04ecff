import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Sharing, sharingOf } from "../src/sharing";
import { FakeElement } from "./fakedom";

describe("sharing the notebook", () => {
  let shared: boolean | null = false;
  let allowed = true;
  let asked: boolean[] = [];
  let sharing: Sharing;
  beforeEach(() => {
    vi.stubGlobal("document", FakeElement.document);
    [shared, allowed, asked] = [false, true, []];
    sharing = new Sharing({ shared: () => shared, allowed: () => allowed, set: (on) => asked.push(on) });
    sharing.draw();
  });
  afterEach(() => void vi.unstubAllGlobals());
  const button = () => sharing.button as unknown as FakeElement;

  it("is a switch with its name in words, off until the kernel says otherwise", () => {
    expect(button().tag).toBe("button");
    expect(button().attributes).toMatchObject({ type: "button", role: "switch", "aria-checked": "false" });
    expect(button().textContent).toBe("Share what cells do with the model");
    button().listeners.click!();
    expect(asked).toEqual([true]);
    sharing.draw();
    expect(button().attributes["aria-checked"]).toBe("false");
    shared = true; // now the kernel has said so
    sharing.draw();
    expect(button().attributes["aria-checked"]).toBe("true");
    button().listeners.click!();
    expect(asked).toEqual([true, false]);
  });

  it("is announced in words while on", () => {
    const words = sharing.words as unknown as FakeElement;
    expect([words.attributes.role, words.textContent]).toEqual(["status", ""]);
    shared = true;
    sharing.draw();
    expect(words.textContent).toBe("The notebook is shared: the model is told of cells, outputs and errors");
    shared = false;
    sharing.draw();
    expect(words.textContent).toBe("");
  });

  it("is not there where nothing can be shared, and rests on a page that may not", () => {
    shared = null;
    allowed = false;
    sharing.draw();
    expect([button().hidden, button().disabled]).toEqual([true, true]);
    shared = false;
    allowed = true;
    sharing.draw();
    expect([button().hidden, button().disabled]).toEqual([false, false]);
  });

  it("is read from whatever message says it, and from nothing odd", () => {
    expect(sharingOf({ type: "sharing", notebook: true }, false)).toBe(true);
    expect(sharingOf({ type: "stats", notebook: false }, true)).toBe(false);
    expect(sharingOf({ type: "stats" }, true)).toBe(true);
    expect(sharingOf({ type: "welcome", notebook: "yes" }, null)).toBeNull();
  });
});
