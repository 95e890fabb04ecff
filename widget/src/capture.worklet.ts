// The clock. Counts samples, resamples to 16 kHz and gives out one tick of 3,200 samples at a time, zeros included.

import { floatToPcm, INPUT_RATE, INPUT_SAMPLES } from "./pcm";
import { type CaptureOrder, type CaptureTick, decibels } from "./ports";
import { Resampler } from "./resample";

const BLOCK = 320; // 20 ms

class Capture extends AudioWorkletProcessor {
  private readonly resampler = new Resampler(sampleRate, INPUT_RATE);
  private readonly tick = new Float32Array(INPUT_SAMPLES);
  private readonly silence = new Float32Array(128);
  private filled = 0;
  private seq = 0;
  private out: MessagePort | null = null;
  private microphone = false;
  private demo = false;
  private heard = false; // anything but switched-off zeros in this tick
  private running = false;

  constructor() {
    super();
    this.port.onmessage = (event: MessageEvent<CaptureOrder>) => {
      const order = event.data;
      if (order.type === "port") this.out = order.port;
      else if (order.type === "microphone") this.microphone = order.on;
      else if (order.type === "demo") this.demo = order.on;
      else this.running = order.on;
    };
  }

  override process(inputs: Float32Array[][]): boolean {
    if (!this.running) return true;
    const input = inputs[0]?.[0] ?? this.silence;
    if (this.microphone || this.demo) this.heard = true;
    const samples = this.resampler.push(input);
    for (let from = 0; from < samples.length; ) {
      const n = Math.min(samples.length - from, INPUT_SAMPLES - this.filled);
      this.tick.set(samples.subarray(from, from + n), this.filled);
      this.filled += n;
      from += n;
      if (this.filled === INPUT_SAMPLES) this.close();
    }
    return true;
  }

  private close(): void {
    const blocks: number[] = [];
    let total = 0;
    for (let b = 0; b < INPUT_SAMPLES; b += BLOCK) {
      let sum = 0;
      for (let i = b; i < b + BLOCK; i++) sum += this.tick[i]! ** 2;
      blocks.push(Math.sqrt(sum / BLOCK));
      total += sum;
    }
    const pcm = floatToPcm(this.tick).buffer as ArrayBuffer;
    const message: CaptureTick = {
      pcm,
      seq: this.seq++,
      off: !this.heard,
      levelDb: decibels(Math.sqrt(total / INPUT_SAMPLES)),
      blocks,
      contextTimeS: currentTime,
    };
    this.out?.postMessage(message, [pcm]);
    this.filled = 0;
    this.heard = false;
  }
}

registerProcessor("imkit-capture", Capture);
