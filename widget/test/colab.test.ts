// The comm lane alone, as Colab has it: no socket, and binary buffers that come in other shapes, late and out of order.

import { describe, expect, it } from "vitest";
import { bufferOf } from "../src/buffers";
import { encodeFrame, Kind } from "../src/codec";
import type { PlaybackOrder } from "../src/ports";
import { Relay, type RelayEvent } from "../src/relay";
import { PlaybackRing } from "../src/ring";

const hello = encodeFrame({ kind: Kind.ControlDown, payload: { type: "flush", epoch: 1 }, epoch: 1 });
const bytes = (data: unknown) => (data === null ? null : [...new Uint8Array(data as ArrayBuffer)]);

describe("a buffer as a host hands it over", () => {
  const plain = [...new Uint8Array(hello)];
  const padded = new Uint8Array(hello.byteLength + 16);
  padded.set(new Uint8Array(hello), 8);
  const shapes: [string, unknown][] = [
    ["a DataView, as in JupyterLab", new DataView(hello)],
    ["a view into a bigger buffer", new DataView(padded.buffer, 8, hello.byteLength)],
    ["an ArrayBuffer", hello],
    ["bytes", new Uint8Array(hello)],
    ["a list of numbers", plain],
    ["an object of numbers, as JSON makes of bytes", Object.fromEntries(plain.entries())],
    ["base64", btoa(String.fromCharCode(...plain))],
    ["a view wrapped once more", { buffer: hello, byteOffset: 0, byteLength: hello.byteLength }],
  ];
  it.each(shapes)("%s is the same bytes", (_, shape) => expect(bytes(bufferOf(shape))).toEqual(plain));

  it("what is no buffer is none, and a copy is handed on", () => {
    expect([null, undefined, 3, "not base64!", {}, [1, 999], ["a"]].map(bufferOf)).toEqual([null, null, null, null, null, null, null]);
    const view = new DataView(hello);
    const copy = bufferOf(view)!;
    expect(copy).not.toBe(hello); // it is given away to a worker
  });
});

describe("speech over a shaky comm", () => {
  const world = {
    openSocket: () => { throw new Error("no sockets here"); },
    setTimeout: () => 0, clearTimeout: () => {}, setInterval: () => 0, clearInterval: () => {}, nowMs: () => 0,
  };
  const port = () => ({ onmessage: null, close() {}, sent: [] as PlaybackOrder[], postMessage(order: PlaybackOrder) { this.sent.push(order); } });

  it("is played though no socket opens, and what is broken on the way is counted", () => {
    const events: RelayEvent[] = [];
    const relay = new Relay(world as never, (event) => events.push(event));
    const capture = port(), playback = port();
    relay.take({ type: "connect", urls: ["ws://127.0.0.1:1/x"], hello: { type: "hello", view: "v" } });
    relay.take({ type: "ports", capture: capture as never, playback: playback as never });
    relay.take({ type: "live", on: true });
    const speech = encodeFrame({ kind: Kind.Speech, payload: new Int16Array(160), epoch: 1, seq: 4 });
    relay.take({ type: "comm", data: speech });
    relay.take({ type: "comm", data: speech.slice(0, -3) });
    relay.take({ type: "comm", data: new ArrayBuffer(0) });
    expect(playback.sent.map((order) => order.type)).toEqual(["speech"]);
    expect(events.filter((event) => event.type === "counts").at(-1)).toMatchObject({ malformed: 2 });
    relay.take({ type: "send", fields: { kind: Kind.Text, payload: { text: "hi" } } });
    expect(events.at(-1)!.type).toBe("comm"); // and what goes up goes by the comm
  });

  it("that comes after it was cut off is not played", () => {
    const ring = new PlaybackRing({ rate: 16000, chunkS: 0.2, leadS: 0, slackS: 0.1, fadeS: 0.001 });
    ring.push(new Float32Array(3200).fill(0.5), 2, 10);
    ring.push(new Float32Array(3200).fill(0.9), 1, 9); // of an epoch that is over, overtaken on the way
    expect([ring.fill, ring.stale]).toEqual([3200, 1]);
  });

  it("that was overtaken or comes twice is left out and counted, and what follows is played", () => {
    const ring = new PlaybackRing({ rate: 16000, chunkS: 0.2, leadS: 0, slackS: 1, fadeS: 0.001 });
    for (const seq of [5, 7, 6, 7, 8]) ring.push(new Float32Array(3200), 1, seq);
    expect([ring.fill, ring.stale]).toEqual([3 * 3200, 2]);
  });
});
