// What was captured and what was really played, as loudness over the audio context's clock: for tests and for the curious.

import type { CaptureTick, PlaybackReport } from "./ports";

const BLOCK_S = 0.02;
const KEEP = 3000; // 60 s

export interface Loudness {
  t: number; // seconds on the audio context's clock, at the block's end
  rms: number;
}

export class Tap {
  readonly microphone: Loudness[] = [];
  readonly playback: Loudness[] = [];
  context: AudioContext | null = null;
  private analyser: AnalyserNode | null = null;

  reset(context: AudioContext | null, analyser: AnalyserNode | null): void {
    this.context = context;
    this.analyser = analyser;
    if (!context) return;
    this.microphone.length = this.playback.length = 0;
  }

  captured(tick: Omit<CaptureTick, "pcm">): void {
    add(this.microphone, tick.blocks, tick.contextTimeS);
  }

  played(report: PlaybackReport): void {
    add(this.playback, report.blocks, report.contextTimeS);
  }

  /** RMS and peak of what sounds this instant, and the history of both directions. */
  read(): { rms: number; peak: number; analyser: AnalyserNode | null; playback: Loudness[]; microphone: Loudness[] } {
    let sum = 0;
    let peak = 0;
    if (this.analyser) {
      const wave = new Float32Array(this.analyser.fftSize);
      this.analyser.getFloatTimeDomainData(wave);
      for (const x of wave) {
        sum += (x * x) / wave.length;
        peak = Math.max(peak, Math.abs(x));
      }
    }
    return { rms: Math.sqrt(sum), peak, analyser: this.analyser, playback: [...this.playback], microphone: [...this.microphone] };
  }
}

function add(into: Loudness[], blocks: number[], endS: number): void {
  blocks.forEach((rms, n) => into.push({ t: endS - (blocks.length - 1 - n) * BLOCK_S, rms }));
  if (into.length > KEEP) into.splice(0, into.length - KEEP);
}
