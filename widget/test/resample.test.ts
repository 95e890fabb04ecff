import { describe, expect, it } from "vitest";
import { Resampler } from "../src/resample";

const tone = (hz: number, rate: number, n: number) => Float32Array.from({ length: n }, (_, i) => 0.5 * Math.sin((2 * Math.PI * hz * i) / rate));
const rms = (x: Float32Array) => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / x.length);

describe.each([
  [48000, 16000],
  [44100, 16000],
  [16000, 48000],
  [16000, 44100],
  [24000, 44100],
  [96000, 16000],
])("%i to %i Hz", (from, to) => {
  it("gives a tone back as the same tone, in place", () => {
    const out = new Resampler(from, to).push(tone(1000, from, from));
    const want = tone(1000, to, out.length);
    expect(out.length).toBeGreaterThan(to * 0.99);
    let worst = 0;
    for (let i = 200; i < out.length - 200; i++) worst = Math.max(worst, Math.abs(out[i]! - want[i]!));
    expect(worst).toBeLessThan(0.005);
  });

  it("pieces give what the whole gives", () => {
    const input = tone(700, from, 20000);
    const whole = new Resampler(from, to).push(input);
    const streamed = new Resampler(from, to);
    const pieces: number[] = [];
    let at = 0;
    for (let n = 0; at < input.length; n++) {
      const size = [128, 1, 0, 441, 7, 3000][n % 6]!;
      pieces.push(...streamed.push(input.subarray(at, at + size)));
      at += size;
    }
    expect(pieces.length).toBe(whole.length);
    expect(Float32Array.from(pieces)).toEqual(whole);
  });
});

it("what lies above the new band is gone, not folded", () => {
  const out = new Resampler(48000, 16000).push(tone(11000, 48000, 48000));
  expect(rms(out.subarray(200, -200))).toBeLessThan(0.0005);
});

it("two minutes keep count to the sample", () => {
  const resampler = new Resampler(44100, 16000);
  const second = new Float32Array(44100);
  let count = 0;
  for (let s = 0; s < 120; s++) count += resampler.push(second).length;
  expect(Math.abs(count - 120 * 16000)).toBeLessThan(40); // only what the filter still holds
});

it("equal rates pass through, reset forgets, odd rates are refused", () => {
  const input = tone(300, 16000, 500);
  expect(new Resampler(16000, 16000).push(input)).toEqual(input);
  const used = new Resampler(48000, 16000);
  const first = used.push(input);
  used.push(tone(90, 48000, 777));
  used.reset();
  expect(used.push(input)).toEqual(first);
  expect(() => new Resampler(0, 16000)).toThrow(/0 and 16000/);
  expect(() => new Resampler(44100.5, 16000)).toThrow(RangeError);
});
