import { describe, expect, it } from "vitest";
import { momentOf } from "../src/protocol";
import { headline, hint, type StatusFacts, statusWords } from "../src/status";
import { Transcript } from "../src/transcript";

const moment = (i: number, more: object = {}) => momentOf({ i, ...more } as { [key: string]: unknown });
const lines = (t: Transcript) => t.entries.map((e) => `${e.who}${e.typed ? "*" : ""}: ${e.words.map((w) => (w.unheard ? `-${w.text}` : w.text)).join(" ")}`);

describe("transcript", () => {
  it("grows by speaker, a pause begins a new line, typing is its own", () => {
    const t = new Transcript();
    t.add(moment(0, { heard: [["two", 0, 0.2]] }));
    t.add(moment(2, { heard: [["plus", 0.4, 0.6]] }));
    t.add(moment(3, { words: [["mhm", 0.8, 0.9]] }));
    t.add(moment(4, { typed: "really?" }));
    t.add(moment(20, { heard: [["two", 4, 4.2]] }));
    t.add(moment(40, { heard: [["three", 8, 8.2]] }));
    expect(lines(t)).toEqual(["user: two plus", "model: mhm", "user*: really?", "user: two", "user: three"]);
  });

  it("takes a moment once, by whichever lane it comes", () => {
    const t = new Transcript();
    for (let n = 0; n < 2; n++) t.add(moment(5, { heard: [["one", 1, 1.1]] }));
    expect(lines(t)).toEqual(["user: one"]);
  });

  it("marks what was interrupted before it sounded, and nothing that came after", () => {
    const t = new Transcript();
    t.add(moment(5, { words: [["one", 1, 1.2], ["two", 1.4, 1.6], ["three", 1.8, 2]] }));
    const words = t.cuttable();
    t.add(moment(6, { words: [["sorry", 2.4, 2.6]] }));
    t.cut(words, 1.55);
    expect(lines(t)).toEqual(["model: one two -three sorry"]);
  });

  it("is light only while the user may go on", () => {
    const t = new Transcript();
    t.add(moment(0, { heard: [["two", 0, 0.2]] }));
    expect([t.isOpen(t.entries[0]!, 1), t.isOpen(t.entries[0]!, 2)]).toEqual([true, false]);
  });

  it("restores what the kernel kept, and stays bounded", () => {
    const t = new Transcript();
    t.restore([{ who: "user", text: "hi", typed: true, start_s: 1, end_s: 1 }, { who: "model", words: [["he", 2, 2.1], ["llo", 2.1, 2.3]], unheard: 1 }, null, {}], 12);
    expect(lines(t)).toEqual(["user*: hi", "model: he -llo"]);
    for (let i = 0; i < 1000; i++) t.add(moment(100 + i, { typed: `line ${i}` }));
    expect(t.entries.length).toBe(300);
  });
});

describe("status", () => {
  const facts: StatusFacts = {
    link: "connected", state: "live", reason: "", starting: false, running: true, mine: true, silentKernel: false, soundBlocked: false, obstacle: "", pageUrl: "",
    microphone: { wanted: true, on: true, permission: "granted" }, camera: { wanted: false, on: false, permission: "granted" },
    demo: false, notebook: false, recording: "", inside: "", lane: "socket", laneReason: "", rttMs: 1.84, computeMs: 26.4, dropped: 0, missed: 3,
  };

  it("says in words what is on", () => {
    expect(headline(facts)).toEqual({ text: "Live", tone: "live" });
    expect(statusWords(facts)).toEqual(["microphone on", "camera off", "socket lane, 1.8 ms round trip", "26 ms a tick", "0 dropped", "3 missed"]);
    expect(hint(facts)).toBe("");
  });

  it("says that the notebook is shared, also while nothing runs", () => {
    expect(statusWords({ ...facts, recording: "recording into talk" })).toContain("recording into talk");
    expect(statusWords({ ...facts, link: "lost", recording: "recording into talk" })).not.toContain("recording into talk");
    expect(statusWords({ ...facts, inside: "model changed: steer" })).toContain("model changed: steer");
    expect(statusWords({ ...facts, notebook: true })).toContain("notebook shared: cells, outputs, errors");
    expect(statusWords({ ...facts, notebook: true, running: false })[0]).toBe("notebook shared: cells, outputs, errors");
    expect(statusWords({ ...facts, notebook: true, link: "lost" })).not.toContain("notebook shared: cells, outputs, errors");
  });

  it("tells a refused microphone from a missing one, and what to do", () => {
    const refused = { ...facts, microphone: { wanted: true, on: false, permission: "denied" as const } };
    expect(statusWords(refused)[0]).toBe("microphone refused");
    expect(hint(refused)).toMatch(/set it to Allow/);
    const missing = { ...facts, microphone: { wanted: true, on: false, permission: "missing" as const } };
    expect(statusWords(missing)[0]).toBe("no microphone found");
    expect(hint(missing)).toMatch(/Type below/);
  });

  it("explains a page that is not secure, a stall, a fallback and a lost kernel", () => {
    expect(hint({ ...facts, running: false, obstacle: "insecure" })).toMatch(/ssh -L/);
    expect(headline({ ...facts, silentKernel: true })).toEqual({ text: "Stalled", tone: "warn" });
    expect(statusWords({ ...facts, lane: "comm", laneReason: "the socket closed" }).join()).toContain("comm lane, 1.8 ms round trip (the socket closed)");
    const lost = { ...facts, link: "lost" as const, running: false, reason: "the kernel was restarted" };
    expect([headline(lost).text, statusWords(lost)[0]]).toEqual(["Disconnected", "the kernel was restarted; run the cell again"]);
    expect(headline({ ...facts, mine: false }).text).toBe("In use elsewhere");
  });
});
