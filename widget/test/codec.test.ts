import { describe, expect, it } from "vitest";
import vectors from "../../tests/fixtures/frames.json";
import { decodeFrame, encodeFrame, FrameError, Kind } from "../src/codec";
import { floatToPcm, pcmOf, pcmToFloat } from "../src/pcm";

const bytes = (hex: string) => new Uint8Array((hex.match(/../g) ?? []).map((pair) => parseInt(pair, 16)));
const hexOf = (data: Uint8Array) => Array.from(data, (b) => b.toString(16).padStart(2, "0")).join("");
const fieldOf = (call: () => unknown) => {
  try {
    call();
  } catch (error) {
    return error instanceof FrameError ? error.field : error;
  }
  return "no error";
};

describe("the vectors shared with the kernel's codec", () => {
  it.each(vectors.frames)("reads and writes: $name", ({ hex, kind, flags, epoch, seq, time_s, payload }) => {
    const frame = decodeFrame(bytes(hex));
    expect(frame).toMatchObject({ kind, flags, epoch, seq, timeS: time_s });
    expect(hexOf(frame.payload)).toBe(payload);
    expect(hexOf(new Uint8Array(encodeFrame(frame)))).toBe(hex);
  });

  it.each(vectors.errors)("refuses: $name", ({ hex, field }) => {
    expect(fieldOf(() => decodeFrame(bytes(hex)))).toBe(field);
  });
});

describe("payloads of the wrong kind are refused", () => {
  const text = new TextEncoder();
  it.each([
    ["audio of 3199 samples", Kind.Audio, new Uint8Array(6398)],
    ["speech of an odd number of bytes", Kind.Speech, new Uint8Array(3)],
    ["a picture that is no JPEG", Kind.Frame, text.encode("\x89PNG")],
    ["control without a type", Kind.ControlDown, text.encode("{}")],
    ["control that is a list", Kind.ControlDown, text.encode("[]")],
    ["text with neither text nor draft", Kind.Text, text.encode("{}")],
    ["a moment that is no UTF-8", Kind.Moment, new Uint8Array([123, 255])],
  ])("%s", (_, kind, payload) => {
    expect(fieldOf(() => decodeFrame(encodeFrame({ kind, payload })))).toBe("payload");
  });
  it.each([NaN, Infinity, -0.2])("a time of %d", (timeS) => {
    expect(fieldOf(() => decodeFrame(encodeFrame({ kind: Kind.Speech, timeS })))).toBe("time_s");
  });
});

it("reads a frame that lies inside a bigger buffer", () => {
  const frame = new Uint8Array(encodeFrame({ kind: Kind.Speech, seq: 9, payload: new Int16Array([1, -2, 3]) }));
  const padded = new Uint8Array(frame.length + 12).fill(0xaa);
  padded.set(frame, 7);
  const read = decodeFrame(new DataView(padded.buffer, 7, frame.length));
  expect([...pcmOf(read.payload)]).toEqual([1, -2, 3]);
});

it("any cut or flipped header byte is refused or read, never anything else", () => {
  const frame = new Uint8Array(encodeFrame({ kind: Kind.ControlUp, payload: { type: "stop" } }));
  for (let at = 0; at < frame.length; at++) {
    for (const mutate of [frame.slice(0, at), frame.map((b, i) => (i === at ? b ^ 0xff : b))]) {
      try {
        decodeFrame(mutate);
      } catch (error) {
        expect(error).toBeInstanceOf(FrameError);
      }
    }
  }
});

it("samples survive the way to 16 bits and back, and are clipped", () => {
  expect([...floatToPcm(new Float32Array([0, 0.5, -1, 1, 2, -2, NaN]))]).toEqual([0, 16384, -32768, 32767, 32767, -32768, 0]);
  const pcm = new Int16Array([0, 1, -1, 32767, -32768]);
  expect([...floatToPcm(pcmToFloat(pcm))]).toEqual([...pcm]);
});
