// The anywidget module: one engine a model, any number of views.

import type { InitializeProps, RenderProps } from "@anywidget/types";
import { Engine, type EngineModel } from "./engine";
import { renderLive } from "./liveview";
import { openPage } from "./page";
import { REASONS } from "./strings";
import { renderView } from "./view";

interface Inspect {
  stats(): Record<string, unknown>;
  playbackTap(): ReturnType<Engine["tap"]["read"]>;
}
declare global {
  interface Window {
    __imkit?: { engines: Map<string, Inspect> };
  }
}

function inspect(engine: Engine): Inspect {
  return {
    stats: () => ({
      view: engine.link.viewId,
      link: engine.link.state,
      state: engine.session.state,
      running: engine.running,
      mine: engine.mine,
      lane: engine.link.lane,
      rtt: engine.link.rttMs,
      capturedTicks: engine.capturedTicks,
      moments: engine.recent.size,
      framesSent: engine.framesSent,
      playedSamples: engine.report?.samples ?? 0,
      playedEpoch: engine.report?.epoch ?? 0,
      trimmed: engine.report?.trimmed ?? 0,
      underruns: engine.report?.underruns ?? 0,
      malformed: engine.link.malformed,
      dropped: engine.link.droppedTicks,
      microphone: engine.devices.microphone.track !== null,
      camera: engine.devices.camera.track !== null,
      error: engine.error,
    }),
    playbackTap: () => engine.tap.read(),
  };
}

function show(engine: Engine): void {
  (window.__imkit ??= { engines: new Map() }).engines.set(engine.link.viewId, inspect(engine));
}

/** The kernel's own page: `traits` are what a notebook would have told the widget. */
export function page(root: HTMLElement, traits: Record<string, unknown>): void {
  openPage(root, traits, show);
}

/** anywidget calls this once a model, so the engine lives in the closure that both hooks share. */
export default function widget() {
  let engine: Engine | null = null;
  return {
    initialize({ model, signal }: InitializeProps): void {
      const mine = new Engine(model as EngineModel);
      engine = mine;
      show(mine);
      signal.addEventListener("abort", () => {
        mine.dispose();
        window.__imkit?.engines.delete(mine.link.viewId);
      });
    },
    render({ model, el, signal }: RenderProps): void {
      if (!engine) throw new Error(REASONS.noEngine);
      const draw = model.get("show") === "strip" ? renderLive : renderView;
      draw(engine, el, signal);
    },
  };
}
