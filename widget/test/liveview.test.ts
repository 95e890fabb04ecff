import { describe, expect, it } from "vitest";
import { momentOf } from "../src/protocol";
import { onlooking } from "../src/status";
import { momentWords } from "../src/stripbox";

describe("a view that only looks on", () => {
  it("says what the session does, whoever captures", () => {
    const said = ["live", "waiting", "stalled", "stopped", "closed", "idle", "odd"].map((state) => onlooking("connected", state).text);
    expect(said).toEqual(["Live", "Waiting", "Stalled", "Stopped", "Closed", "Ready", "Ready"]);
    expect(onlooking("connecting", "live").text).toBe("Connecting");
    expect(onlooking("lost", "live")).toEqual({ text: "Disconnected", tone: "bad" });
  });

  it("tells a micro-turn in words", () => {
    const moment = momentOf({
      i: 7, floor: "speak", level: -41.6, heard: [["plot", 0, 1]], words: [["sure", 1, 2]], typed: "", ms: 12.4, late: true,
      calls: [{ kind: "delegate", name: "plot", id: "c" }], events: [],
    });
    expect(momentWords(moment)).toBe('0:01.4 tick 7  ·  in -42 dB  ·  heard "plot"  ·  speak  ·  says "sure"  ·  call plot  ·  12 ms, missed');
  });
});
