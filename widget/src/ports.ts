// What travels between the worklets, the relay and the page. Media goes by transferable buffers.

/** Capture worklet -> relay, once a tick. */
export interface CaptureTick {
  pcm: ArrayBuffer; // Int16, INPUT_SAMPLES
  seq: number;
  off: boolean; // no microphone and no demo voice: the samples are zeros
  levelDb: number;
  /** RMS of the tick's ten 20 ms blocks, and the audio-context time at which the tick ended. */
  blocks: number[];
  contextTimeS: number;
}

/** Page -> capture worklet. */
export type CaptureOrder =
  | { type: "port"; port: MessagePort }
  | { type: "microphone"; on: boolean }
  | { type: "demo"; on: boolean }
  | { type: "run"; on: boolean };

/** Relay -> playback worklet. */
export type PlaybackOrder =
  | { type: "speech"; pcm: ArrayBuffer; epoch: number; seq: number }
  | { type: "flush"; epoch: number };

/** Playback worklet -> relay, every 200 ms while something sounds, and once when it ends. */
export interface PlaybackReport {
  epoch: number;
  samples: number; // of this epoch's speech passed, at the model's output rate, trimmed ones included
  trimmed: number;
  heardS: number; // session time up to which the speech was heard
  underruns: number;
  stale: number;
  blocks: number[]; // RMS of 20 ms blocks since the last report
  contextTimeS: number;
}

export function decibels(rms: number): number {
  return rms > 1e-5 ? 20 * Math.log10(rms) : -100;
}
