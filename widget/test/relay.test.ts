import { beforeEach, describe, expect, it, vi } from "vitest";
import { decodeFrame, encodeFrame, type Frame, type FrameFields, Kind } from "../src/codec";
import { Relay, type RelayEvent } from "../src/relay";

class FakePort {
  onmessage: ((event: { data: unknown }) => void) | null = null;
  got: any[] = [];
  closed = false;
  postMessage(message: unknown) {
    this.got.push(message);
  }
  close() {
    this.closed = true;
  }
}

let events: RelayEvent[];
let capture: FakePort;
let playback: FakePort;
let relay: Relay;
const up = (): Frame[] => events.flatMap((event) => (event.type === "comm" ? [decodeFrame(event.data)] : []));
const down = (fields: FrameFields) => relay.take({ type: "comm", data: encodeFrame(fields) });
const tick = (seq: number, off = false) =>
  capture.onmessage?.({ data: { pcm: new ArrayBuffer(6400), seq, off, levelDb: -20, blocks: [], contextTimeS: 0 } });

beforeEach(() => {
  vi.useFakeTimers({ now: 0 });
  events = [];
  capture = new FakePort();
  playback = new FakePort();
  relay = new Relay(
    {
      openSocket: () => {
        throw new Error("no socket here");
      },
      setTimeout: (call, ms) => setTimeout(call, ms),
      clearTimeout: (timer) => clearTimeout(timer),
      setInterval: (call, ms) => setInterval(call, ms),
      clearInterval: (timer) => clearInterval(timer),
      nowMs: () => Date.now(),
    },
    (event) => events.push(event),
  );
  relay.take({ type: "ports", capture: capture as never, playback: playback as never });
  relay.take({ type: "live", on: true });
});

describe("up", () => {
  it("a tick becomes an audio frame on the audio clock, with its flag", () => {
    tick(0);
    tick(5, true);
    expect(up().map((f) => [f.kind, f.seq, f.flags, f.timeS])).toEqual([[Kind.Audio, 0, 0, 0], [Kind.Audio, 5, 1, 1]]);
  });

  it("asks for no picture while the kernel is far behind", () => {
    down({ kind: Kind.Moment, payload: { i: 0, ack: 3 } });
    tick(13);
    tick(14);
    expect(events.flatMap((e) => (e.type === "tick" ? [e.grabFrame] : []))).toEqual([true, false]);
  });

  it("what was played is told", () => {
    playback.onmessage?.({ data: { epoch: 2, samples: 4800, trimmed: 0, heardS: 1, underruns: 0, stale: 0, blocks: [], contextTimeS: 0 } });
    expect(up()[0]!.json).toMatchObject({ type: "played", epoch: 2, samples: 4800, trimmed: 0 });
  });
});

describe("down", () => {
  it("speech goes to the ears while live, and nowhere otherwise", () => {
    const speech = { kind: Kind.Speech, epoch: 1, seq: 7, payload: new Int16Array([1, 2]) };
    down(speech);
    relay.take({ type: "live", on: false });
    down(speech);
    expect(playback.got).toMatchObject([{ type: "speech", epoch: 1, seq: 7 }]);
  });

  it("a flush reaches the ears and the page, and later frames carry its epoch", () => {
    down({ kind: Kind.ControlDown, payload: { type: "flush", epoch: 4 } });
    tick(0);
    expect(playback.got).toEqual([{ type: "flush", epoch: 4 }]);
    expect(events.some((e) => e.type === "frame" && e.frame.json?.type === "flush")).toBe(true);
    expect(up()[0]!.epoch).toBe(4);
  });

  it("malformed frames are counted, not fatal", () => {
    relay.take({ type: "comm", data: new ArrayBuffer(3) });
    down({ kind: Kind.Moment, payload: { i: 1 } });
    expect(events.map((e) => e.type)).toEqual(["counts", "frame"]);
  });
});

describe("heartbeat", () => {
  it("measures the round trip by its own pings only", () => {
    vi.advanceTimersByTime(2_000);
    const ping = up().find((f) => f.json?.type === "ping")!.json!;
    vi.advanceTimersByTime(12);
    down({ kind: Kind.ControlDown, payload: { type: "pong", n: Number(ping.n) + 1, t: ping.t } });
    down({ kind: Kind.ControlDown, payload: { type: "pong", n: ping.n, t: ping.t } });
    expect(events.filter((e) => e.type === "rtt")).toEqual([{ type: "rtt", ms: 12 }]);
  });

  it("is rare while nothing is live", () => {
    relay.take({ type: "live", on: false });
    vi.advanceTimersByTime(65_000);
    expect(up().length).toBe(2);
  });
});

it("without sound a timer keeps the clock, forgives a sleep, and ends with the run", () => {
  relay.take({ type: "clock" });
  vi.advanceTimersByTime(1_000);
  const ticks = () => up().filter((f) => f.kind === Kind.Audio);
  expect(ticks().map((f) => [f.seq, f.flags])).toEqual([0, 1, 2, 3, 4].map((seq) => [seq, 1]));
  vi.setSystemTime(3_600_000);
  vi.advanceTimersByTime(400);
  expect(ticks().length).toBeLessThan(9);
  expect(ticks()[5]!.flags).toBe(3);
  relay.take({ type: "unplug" });
  const before = ticks().length;
  vi.advanceTimersByTime(2_000);
  expect(ticks().length).toBe(before);
});

it("close ends timers and ports", () => {
  relay.take({ type: "close" });
  expect([capture.closed, playback.closed, vi.getTimerCount()]).toEqual([true, true, 0]);
});
