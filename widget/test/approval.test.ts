import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { approvalOf, ApprovalPanel, Approvals, secondsLeft, visible } from "../src/approval";
import { type Frame, type Json, Kind } from "../src/codec";
import { FakeElement } from "./fakedom";

const down = (json: Json): Frame => ({ kind: Kind.ControlDown, flags: 0, epoch: 0, seq: 0, timeS: 0, payload: new Uint8Array(), json }) as unknown as Frame;
const question = (more: Json = {}): Json => ({
  type: "approval", id: "a1", digest: "d1", tool: "drop", arguments: [["table", '"t"'], ["rows", "12"]], why: ["drop changes something."], left_s: 60, view: "me", ...more,
});

describe("what is shown", () => {
  it("writes out every character that hides or reorders", () => {
    expect(visible("a\u202eb\u2066c\u200bd\u0000e\u00adf\ufeffg\u{e0041}h\u2028i\tj")).toBe(
      "a\\u{202e}b\\u{2066}c\\u{200b}d\\u{0}e\\u{ad}f\\u{feff}g\\u{e0041}h\\u{2028}i\\u{9}j",
    );
    expect(visible("\u3164\u115f\u180e\ufe0f\ud800\u00a0\u3000")).toBe("\\u{3164}\\u{115f}\\u{180e}\\u{fe0f}\\u{d800}\\u{a0}\\u{3000}");
  });

  it("leaves plain text of any script alone", () => {
    const text = 'rm -rf "Grüße" 你好 שלום emoji 🙂 \\ <b>&amp;</b>';
    expect(visible(text)).toBe(text);
  });

  it("is all or nothing: a question with an odd part is no question", () => {
    for (const odd of [{ id: 1 }, { digest: "" }, { tool: null }, { arguments: "x" }, { arguments: [["a", 1]] }, { arguments: [["a", "1"], "b"] }]) {
      expect(approvalOf(question(odd as Json), 0)).toBeNull();
    }
    expect(approvalOf(question({ why: [1, "w"], left_s: "x" }), 5)).toMatchObject({ why: ["w"], untilMs: 5 });
  });

  it("counts seconds down to none", () => {
    const approval = approvalOf(question({ left_s: 2 }), 1000)!;
    expect([1000, 1001, 2999, 3000, 9000].map((now) => secondsLeft(approval, now))).toEqual([2, 2, 1, 0, 0]);
  });
});

describe("questions that wait", () => {
  it("are answered once, with the digest of what was shown", () => {
    const approvals = new Approvals("me", () => 0);
    expect(approvals.take(down(question()))).toBe(true);
    expect(approvals.answer("a1", true)).toEqual({ type: "approval", id: "a1", digest: "d1", allow: true });
    expect(approvals.answer("a1", true)).toBeNull();
  });

  it("of another page are not ours, and more than eight are not taken", () => {
    const approvals = new Approvals("me", () => 0);
    approvals.take(down(question({ view: "other" })));
    expect(approvals.waiting.size).toBe(0);
    for (let n = 0; n < 20; n++) approvals.take(down(question({ id: `a${n}`, view: null })));
    expect(approvals.waiting.size).toBe(8);
  });

  it("are over when time is, or when the kernel says so", () => {
    let now = 0;
    const approvals = new Approvals("me", () => now);
    approvals.take(down(question({ left_s: 1 })));
    approvals.take(down(question({ id: "a2" })));
    approvals.take(down({ type: "approval_gone", id: "a2", why: "refused" }));
    expect([...approvals.waiting.keys()]).toEqual(["a1"]);
    now = 1000;
    expect(approvals.answer("a1", true)).toBeNull();
  });

  it("come with a welcome too, which goes on to others; nothing else is taken", () => {
    const approvals = new Approvals("me", () => 0);
    expect(approvals.take(down({ type: "welcome", view: "me", approvals: [question(), 7] }))).toBe(false);
    expect([...approvals.waiting.keys()]).toEqual(["a1"]);
    expect(approvals.take(down({ type: "stats" }))).toBe(false);
    expect(approvals.take({ ...down(question({ id: "b" })), kind: Kind.Moment } as Frame)).toBe(false);
  });
});

describe("the panel", () => {
  let now = 0;
  let sent: Json[] = [];
  let mine = true;
  let approvals: Approvals;
  let panel: ApprovalPanel;
  let root: FakeElement;
  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal("document", FakeElement.document);
    [now, sent, mine] = [0, [], true];
    approvals = new Approvals("me", () => now);
    panel = new ApprovalPanel({ approvals, mine: () => mine, send: (answer) => sent.push(answer) }, () => now);
    root = panel.element as unknown as FakeElement;
  });
  afterEach(() => {
    panel.detach();
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });
  const later = (ms: number) => {
    now += ms;
    vi.advanceTimersByTime(ms);
  };

  it("shows tool, every argument on a line of its own and why, as text", () => {
    const long = JSON.stringify("x".repeat(15_000));
    approvals.take(down(question({ arguments: [["table", '"<img src=x onerror=alert(1)>"'], ["a\u202eb", long]] })));
    panel.draw();
    expect(root.of("imk-approval-ask")[0]!.textContent).toBe("May drop run with exactly this?");
    expect(root.of("imk-given").map((line) => line.textContent)).toEqual(['table = "<img src=x onerror=alert(1)>"', `a\\u{202e}b = ${long}`]);
    expect(root.of("imk-approval-why").map((line) => line.textContent)).toEqual([
      "15040 characters in all: scroll to read them.", "drop changes something.",
    ]);
    expect(root.all().map((element) => element.tag)).not.toContain("img");
    expect(root.of("imk-left")[0]!.textContent).toBe("Refused by itself in 60 s");
    later(2000);
    expect(root.of("imk-left")[0]!.textContent).toBe("Refused by itself in 58 s");
  });

  it("never takes the focus, names Refuse first, and lets Allow wake up late", () => {
    approvals.take(down(question()));
    panel.draw();
    const buttons = root.all().filter((element) => element.tag === "button");
    expect(buttons.map((button) => button.textContent)).toEqual(["Refuse", "Allow once"]);
    expect(buttons.every((button) => !("autofocus" in button.attributes) && !("tabindex" in button.attributes))).toBe(true);
    expect(buttons.map((button) => button.disabled)).toEqual([false, true]);
    later(1000);
    expect(buttons.map((button) => button.disabled)).toEqual([false, false]);
    expect(root.all().reduce((sum, element) => sum + element.focused, 0)).toBe(0);
    expect(root.of("imk-givens")[0]!.attributes.tabindex).toBe("0");
  });

  it("sends one answer and goes away", () => {
    approvals.take(down(question()));
    approvals.take(down(question({ id: "a2", digest: "d2" })));
    panel.draw();
    later(1000);
    const allow = root.of("imk-allow")[0]!;
    allow.listeners.click!();
    allow.listeners.click!();
    expect(sent).toEqual([{ type: "approval", id: "a1", digest: "d1", allow: true }]);
    root.of("imk-refuse")[0]!.listeners.click!();
    expect(sent[1]).toEqual({ type: "approval", id: "a2", digest: "d2", allow: false });
    expect([root.children.length, root.hidden]).toEqual([0, true]);
  });

  it("is empty on a page that may not answer, and after the time", () => {
    approvals.take(down(question({ left_s: 3 })));
    mine = false;
    panel.draw();
    expect(root.children.length).toBe(0);
    mine = true;
    panel.draw();
    expect(root.children.length).toBe(1);
    later(3000);
    expect([root.children.length, root.hidden, vi.getTimerCount()]).toEqual([0, true, 0]);
    expect(sent).toEqual([]);
  });
});
