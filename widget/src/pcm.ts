// Ticks and 16-bit samples. Used in the worklets too, where there is no TextEncoder: keep this file free of such things.

export const TICK_S = 0.2;
export const INPUT_RATE = 16000;
export const INPUT_SAMPLES = 3200;

/** 16-bit samples, from a payload whose start need not be aligned. */
export function pcmOf(payload: Uint8Array): Int16Array {
  return new Int16Array(payload.slice().buffer);
}

export function floatToPcm(samples: Float32Array): Int16Array {
  const pcm = new Int16Array(samples.length);
  for (let i = 0; i < samples.length; i++) {
    const x = Math.round(32768 * samples[i]!);
    pcm[i] = x > 32767 ? 32767 : x < -32768 ? -32768 : x; // NaN becomes 0
  }
  return pcm;
}

export function pcmToFloat(pcm: Int16Array): Float32Array {
  const samples = new Float32Array(pcm.length);
  for (let i = 0; i < pcm.length; i++) samples[i] = pcm[i]! / 32768;
  return samples;
}
