// What is heard: speech of the model through the ring, and the report of what was really played.

import { pcmToFloat, TICK_S } from "./pcm";
import type { PlaybackOrder, PlaybackReport } from "./ports";
import { Resampler } from "./resample";
import { PlaybackRing, RING_DEFAULTS } from "./ring";

const BLOCK_S = 0.02;
const REPORT_S = 0.2;
const MOST_CHUNKS = 50;

class Playback extends AudioWorkletProcessor {
  private readonly ring = new PlaybackRing({ ...RING_DEFAULTS, rate: sampleRate });
  private readonly outputRate: number;
  private readonly resampler: Resampler;
  private port2: MessagePort | null = null;
  private lastSeq = -2;
  private lastEpoch = -1;
  private sent = 0; // samples of this epoch that came in
  private chunks: { epoch: number; seq: number; start: number; length: number }[] = [];
  private sum = 0;
  private counted = 0;
  private blocks: number[] = [];
  private reported = 0; // frames since the last report
  private sounding = false;

  constructor(options: { processorOptions?: { outputRate: number } }) {
    super();
    this.outputRate = options.processorOptions?.outputRate ?? 16000;
    this.resampler = new Resampler(this.outputRate, sampleRate);
    this.port.onmessage = (event: MessageEvent<{ port: MessagePort }>) => {
      this.port2 = event.data.port;
      this.port2.onmessage = (order: MessageEvent<PlaybackOrder>) => this.take(order.data);
    };
  }

  /** Samples of this epoch passed, in the model's own rate: whole chunks count exactly, whatever the resampler holds back. */
  private samplesPassed(epoch: number, seq: number, offset: number): number {
    while (this.chunks.length > 1 && (this.chunks[0]!.epoch < epoch || (this.chunks[0]!.epoch === epoch && this.chunks[0]!.seq < seq))) {
      this.chunks.shift();
    }
    const chunk = this.chunks[0];
    if (!chunk || chunk.epoch !== epoch || chunk.seq !== seq) return 0;
    const passed = this.ring.fill === 0 ? chunk.length : Math.floor((offset * this.outputRate) / sampleRate);
    return chunk.start + Math.min(chunk.length, passed);
  }

  private take(order: PlaybackOrder): void {
    if (order.type === "flush") {
      this.report(); // what was heard of the old epoch, before it is gone
      this.ring.flush(order.epoch);
      return;
    }
    const pcm = new Int16Array(order.pcm);
    if (order.epoch !== this.lastEpoch) this.sent = 0;
    this.chunks.push({ epoch: order.epoch, seq: order.seq, start: this.sent, length: pcm.length });
    this.sent += pcm.length;
    if (this.chunks.length > MOST_CHUNKS) this.chunks.shift();
    if (order.seq !== this.lastSeq + 1 || order.epoch !== this.lastEpoch) this.resampler.reset();
    this.lastSeq = order.seq;
    this.lastEpoch = order.epoch;
    this.ring.push(this.resampler.push(pcmToFloat(pcm)), order.epoch, order.seq);
  }

  override process(_inputs: Float32Array[][], outputs: Float32Array[][]): boolean {
    const out = outputs[0]?.[0];
    if (!out) return true;
    const active = this.ring.fill > 0;
    this.ring.pull(out);
    for (const x of out) this.sum += x * x;
    this.counted += out.length;
    if (this.counted >= BLOCK_S * sampleRate) {
      this.blocks.push(Math.sqrt(this.sum / this.counted));
      this.sum = 0;
      this.counted = 0;
    }
    this.reported += out.length;
    if (this.reported >= REPORT_S * sampleRate || (this.sounding && !active)) {
      if (active || this.sounding) this.report();
      this.blocks = [];
      this.reported = 0;
    }
    this.sounding = active;
    return true;
  }

  private report(): void {
    const { epoch, trimmed, seq, offset } = this.ring.played;
    const message: PlaybackReport = {
      epoch,
      samples: this.samplesPassed(epoch, seq, offset),
      trimmed: Math.floor((trimmed * this.outputRate) / sampleRate),
      heardS: seq < 0 ? 0 : (seq + 1) * TICK_S + offset / sampleRate,
      underruns: this.ring.underruns,
      stale: this.ring.stale,
      blocks: this.blocks,
      contextTimeS: currentTime,
    };
    this.blocks = [];
    this.reported = 0;
    this.port2?.postMessage(message);
  }
}

registerProcessor("imkit-playback", Playback);
