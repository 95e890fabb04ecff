// The audio graph of one run: microphone and demo voice -> capture worklet; playback worklet -> gain -> ears.

import captureSource from "inline:./capture.worklet.ts";
import playbackSource from "inline:./playback.worklet.ts";
import { pcmToFloat } from "./pcm";
import type { CaptureOrder } from "./ports";

const DUCKED = 0.6;

export class AudioGraph {
  readonly analyser: AnalyserNode;
  private readonly volume: GainNode;
  private microphone: MediaStreamAudioSourceNode | null = null;
  private track: MediaStreamTrack | null = null;
  private demo: AudioBufferSourceNode | null = null;

  private constructor(
    readonly context: AudioContext,
    private readonly capture: AudioWorkletNode,
    playback: AudioWorkletNode,
  ) {
    this.volume = context.createGain();
    this.analyser = context.createAnalyser();
    playback.connect(this.volume).connect(this.analyser).connect(context.destination);
    const unheard = context.createGain();
    unheard.gain.value = 0;
    capture.connect(unheard).connect(context.destination); // a node that leads nowhere may not be run
  }

  /** The context comes from the click itself, or sound stays blocked. */
  static async open(context: AudioContext, outputRate: number): Promise<{ graph: AudioGraph; capture: MessagePort; playback: MessagePort }> {
    await addModule(context, captureSource);
    await addModule(context, playbackSource);
    const mono: AudioWorkletNodeOptions = { numberOfInputs: 1, numberOfOutputs: 1, outputChannelCount: [1], channelCount: 1, channelCountMode: "explicit" };
    const capture = new AudioWorkletNode(context, "imkit-capture", mono);
    const playback = new AudioWorkletNode(context, "imkit-playback", { ...mono, numberOfInputs: 0, processorOptions: { outputRate } });
    const up = new MessageChannel();
    const down = new MessageChannel();
    capture.port.postMessage({ type: "port", port: up.port1 } satisfies CaptureOrder, [up.port1]);
    playback.port.postMessage({ port: down.port1 }, [down.port1]);
    return { graph: new AudioGraph(context, capture, playback), capture: up.port2, playback: down.port2 };
  }

  run(): void {
    this.order({ type: "run", on: true });
  }

  setMicrophone(track: MediaStreamTrack | null): void {
    if (track === this.track) return;
    this.track = track;
    this.microphone?.disconnect();
    this.microphone = track ? this.context.createMediaStreamSource(new MediaStream([track])) : null;
    this.microphone?.connect(this.capture);
    this.order({ type: "microphone", on: track !== null });
  }

  setDucked(ducked: boolean): void {
    this.volume.gain.setTargetAtTime(ducked ? DUCKED : 1, this.context.currentTime, 0.02);
  }

  /** A voice that takes the microphone's road, and is heard by the person too. */
  playDemo(pcm: Int16Array, rate: number, onEnd: () => void): void {
    this.stopDemo();
    if (pcm.length === 0) return onEnd();
    const buffer = this.context.createBuffer(1, pcm.length, rate);
    buffer.getChannelData(0).set(pcmToFloat(pcm));
    const voice = this.context.createBufferSource();
    voice.buffer = buffer;
    voice.connect(this.capture);
    voice.connect(this.context.destination);
    voice.onended = () => {
      voice.disconnect();
      if (this.demo !== voice) return;
      this.demo = null;
      this.order({ type: "demo", on: false });
      onEnd();
    };
    this.demo = voice;
    this.order({ type: "demo", on: true });
    voice.start();
  }

  stopDemo(): void {
    this.demo?.stop();
  }

  async close(): Promise<void> {
    this.order({ type: "run", on: false });
    this.microphone?.disconnect();
    if (this.demo) this.demo.onended = null;
    this.demo?.disconnect();
    if (this.context.state !== "closed") await this.context.close();
  }

  private order(order: CaptureOrder): void {
    this.capture.port.postMessage(order);
  }
}

async function addModule(context: AudioContext, source: string): Promise<void> {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  try {
    await context.audioWorklet.addModule(url);
  } finally {
    URL.revokeObjectURL(url);
  }
}
