import { describe, expect, it } from "vitest";
import { PlaybackRing, RING_DEFAULTS } from "../src/ring";

const RATE = 1000; // one sample a millisecond: chunk 200, lead 80, slack 100, fade 5
const ring = () => new PlaybackRing({ ...RING_DEFAULTS, rate: RATE });
const chunk = (value: number, n = 200) => new Float32Array(n).fill(value);
const pull = (r: PlaybackRing, n: number) => {
  const out = new Float32Array(n);
  r.pull(out);
  return out;
};

describe("playing", () => {
  it("starts a run with 80 ms of silence and then gives every sample once", () => {
    const r = ring();
    const samples = Float32Array.from({ length: 200 }, (_, i) => (i + 1) / 1000);
    r.push(samples, 0, 0);
    expect(pull(r, 80)).toEqual(new Float32Array(80));
    expect(pull(r, 150)).toEqual(samples.subarray(0, 150));
    expect(r.played).toEqual({ epoch: 0, samples: 150, trimmed: 0, seq: 0, offset: 150 });
  });

  it("stays whole over many chunks that arrive on time", () => {
    const r = ring();
    r.push(chunk(0.5), 0, 0);
    for (let seq = 1; seq < 50; seq++) {
      pull(r, 200);
      r.push(chunk(0.5), 0, seq);
    }
    expect(r.underruns).toBe(0);
    expect(r.played.trimmed).toBe(0);
    expect(r.played.samples).toBe(49 * 200 - 80);
    expect(r.fill).toBe(280);
  });

  it("fades before it runs dry, and counts the underrun when the next chunk comes late", () => {
    const r = ring();
    r.push(chunk(0.5), 0, 0);
    const out = pull(r, 400);
    const steps = Array.from(out.subarray(1), (v, i) => Math.abs(v - out[i]!));
    expect(Math.max(...steps.slice(100))).toBeLessThanOrEqual(0.5 / 5 + 1e-6);
    expect(out[280]).toBe(0);
    expect(r.underruns).toBe(0);
    r.push(chunk(0.5), 0, 1);
    expect(r.underruns).toBe(1);
    expect(pull(r, 80)).toEqual(new Float32Array(80));
  });

  it("a new run after a pause is no underrun", () => {
    const r = ring();
    r.push(chunk(0.5), 0, 0);
    pull(r, 400);
    r.push(chunk(0.5), 0, 12);
    expect(r.underruns).toBe(0);
  });
});

describe("too much", () => {
  it("cuts the oldest when more than 380 ms wait, without a step, and counts it", () => {
    const r = ring();
    r.push(chunk(0.5), 0, 0);
    r.push(chunk(0.5), 0, 1);
    expect(r.fill).toBe(280);
    expect(r.played).toMatchObject({ samples: 120, trimmed: 120 }); // 80 of the cut 200 were the silence in front
    const out = pull(r, 200);
    for (let i = 1; i < out.length; i++) expect(Math.abs(out[i]! - out[i - 1]!)).toBeLessThanOrEqual(0.5 / 5 + 1e-6);
  });

  it("stays bounded whatever comes", () => {
    const r = ring();
    for (let seq = 0; seq < 200; seq++) r.push(chunk(0.1, 100 + (seq % 7) * 300), 0, seq);
    expect(r.fill).toBeLessThanOrEqual(380);
  });
});

describe("flush", () => {
  it("silences within the fade and refuses what comes late of the old epoch", () => {
    const r = ring();
    r.push(chunk(0.5), 3, 0);
    pull(r, 130);
    const before = r.played;
    expect(before).toMatchObject({ epoch: 3, samples: 50 });
    r.flush(4);
    const out = pull(r, 50);
    expect(out[0]).toBeGreaterThan(0.3);
    expect(out[0]).toBeLessThan(0.5);
    expect([...out.subarray(5)].every((v) => v === 0)).toBe(true);
    r.push(chunk(0.5), 3, 1);
    expect(r.stale).toBe(1);
    expect(r.fill).toBe(0);
    expect(r.played).toMatchObject({ epoch: 4, samples: 0 });
  });

  it("plays the new epoch, counted from 0", () => {
    const r = ring();
    r.push(chunk(0.5), 0, 0);
    pull(r, 200);
    r.flush(1);
    r.push(chunk(0.25), 1, 5);
    pull(r, 180);
    expect(r.played).toMatchObject({ epoch: 1, samples: 100, seq: 5, offset: 100 });
  });

  it("speech of a higher epoch flushes by itself; an old flush does nothing", () => {
    const r = ring();
    r.push(chunk(0.5), 0, 0);
    r.push(chunk(0.25), 2, 1);
    expect(r.fill).toBe(280);
    r.flush(1);
    expect(r.fill).toBe(280);
    pull(r, 100);
    expect(r.played).toMatchObject({ epoch: 2, samples: 20 });
  });
});
