// Streaming resampler: windowed sinc in polyphase form, phase kept exactly across blocks, so that a stream
// fed in pieces gives the samples that the whole would give.

const ZERO_CROSSINGS = 16;
const CUTOFF = 0.92;
const KAISER_BETA = 8;

export class Resampler {
  private readonly up: number;
  private readonly down: number;
  private readonly half: number;
  private readonly taps: number;
  private readonly table: Float32Array; // [phase, tap]
  private buffer: Float32Array;
  private filled: number;
  private at = 0; // in `buffer`: where the filter of the next output begins
  private phase = 0;

  constructor(
    readonly inputRate: number,
    readonly outputRate: number,
  ) {
    if (!(inputRate > 0 && outputRate > 0) || !Number.isInteger(inputRate) || !Number.isInteger(outputRate)) {
      throw new RangeError(`resampler: rates ${inputRate} and ${outputRate} Hz, expected positive whole numbers`);
    }
    const divisor = gcd(inputRate, outputRate);
    this.up = outputRate / divisor;
    this.down = inputRate / divisor;
    const stretch = Math.max(1, inputRate / outputRate);
    this.half = this.up === this.down ? 0 : Math.ceil(ZERO_CROSSINGS * stretch);
    this.taps = 2 * this.half + 1;
    this.table = this.half === 0 ? new Float32Array([1]) : filterBank(this.up, this.half, CUTOFF / stretch);
    this.buffer = new Float32Array(4096);
    this.filled = this.half; // silence before the first sample puts output 0 at input 0
  }

  /** Samples that can be given out after these came in. Output n stands at input time n * inputRate / outputRate. */
  push(input: Float32Array): Float32Array {
    this.append(input);
    const { up, down, taps, table } = this;
    const room = this.filled - this.at - taps;
    const out = new Float32Array(room < 0 ? 0 : Math.floor((room * up + up - 1 - this.phase) / down) + 1);
    for (let n = 0; n < out.length; n++) {
      let sum = 0;
      const row = this.phase * taps;
      for (let k = 0; k < taps; k++) sum += table[row + k]! * this.buffer[this.at + k]!;
      out[n] = sum;
      this.phase += down;
      const whole = Math.floor(this.phase / up);
      this.phase -= whole * up;
      this.at += whole;
    }
    return out;
  }

  /** Forget the past: the next sample is the first of a new stream. */
  reset(): void {
    this.buffer.fill(0);
    this.filled = this.half;
    this.at = 0;
    this.phase = 0;
  }

  private append(input: Float32Array): void {
    const used = Math.min(this.at, this.filled);
    if (used > 0) {
      this.buffer.copyWithin(0, used, this.filled);
      this.filled -= used;
      this.at -= used;
    }
    if (this.filled + input.length > this.buffer.length) {
      const bigger = new Float32Array(2 * (this.filled + input.length));
      bigger.set(this.buffer.subarray(0, this.filled));
      this.buffer = bigger;
    }
    this.buffer.set(input, this.filled);
    this.filled += input.length;
  }
}

function filterBank(phases: number, half: number, cutoff: number): Float32Array {
  const taps = 2 * half + 1;
  const table = new Float32Array(phases * taps);
  for (let phase = 0; phase < phases; phase++) {
    let sum = 0;
    for (let k = 0; k < taps; k++) {
      const x = k - half - phase / phases;
      const window = Math.abs(x) > half ? 0 : bessel0(KAISER_BETA * Math.sqrt(1 - (x / half) ** 2));
      const value = window * (x === 0 ? cutoff : Math.sin(Math.PI * cutoff * x) / (Math.PI * x));
      table[phase * taps + k] = value;
      sum += value;
    }
    for (let k = 0; k < taps; k++) table[phase * taps + k]! /= sum;
  }
  return table;
}

function bessel0(x: number): number {
  let sum = 1;
  let term = 1;
  for (let k = 1; k < 40; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
