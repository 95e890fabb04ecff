// The bundled voice: asked of the kernel, then played by the road that a microphone takes.

import type { Frame } from "./codec";
import type { AudioGraph } from "./graph";
import { pcmOf } from "./pcm";
import { REASONS } from "./strings";

const PATIENCE_MS = 5_000;

export interface DemoEvents {
  ask(): void;
  fault(message: string): void;
  changed(): void;
}

export class DemoVoice {
  state: "idle" | "asked" | "playing" = "idle";
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly events: DemoEvents) {}

  /** Asks the kernel for the voice, once the session runs: ``start`` says whether it could. */
  async ask(start: () => Promise<boolean>): Promise<void> {
    this.enter("asked");
    if (!(await start())) return this.enter("idle");
    this.timer = setTimeout(() => {
      if (this.state !== "asked") return;
      this.events.fault(REASONS.noDemo);
      this.enter("idle");
    }, PATIENCE_MS);
    this.events.ask();
  }

  /** The kernel sent it. One that nobody waits for any more is dropped. */
  came(frame: Frame, graph: AudioGraph | null): void {
    if (this.state !== "asked" || !graph) return;
    clearTimeout(this.timer);
    this.enter("playing");
    graph.playDemo(pcmOf(frame.payload), frame.seq || 16000, () => this.enter("idle"));
  }

  stop(graph: AudioGraph | null): void {
    clearTimeout(this.timer);
    graph?.stopDemo();
    this.enter("idle");
  }

  /** All stops: the graph that would play it is going too. */
  forget(): void {
    clearTimeout(this.timer);
    this.state = "idle";
  }

  private enter(state: DemoVoice["state"]): void {
    this.state = state;
    this.events.changed();
  }
}
