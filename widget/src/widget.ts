// The anywidget module: one engine a model, any number of views.

import type { AnyModel, InitializeProps, RenderProps } from "@anywidget/types";
import { Engine, type EngineModel } from "./engine";
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

// The model handed to `initialize` and the one handed to `render` may be two proxies of one model, so the engine is
// found by what they share.
const engines = new Map<string, Engine>();

function keyOf(model: AnyModel): string {
  return String(model.get("_imk_key") ?? model.get("session_id") ?? "");
}

function inspect(engine: Engine): Inspect {
  return {
    stats: () => ({
      view: engine.viewId,
      link: engine.link,
      state: engine.session.state,
      running: engine.running,
      mine: engine.mine,
      lane: engine.lane,
      rtt: engine.rttMs,
      capturedTicks: engine.capturedTicks,
      moments: engine.recent.size,
      framesSent: engine.framesSent,
      playedSamples: engine.report?.samples ?? 0,
      playedEpoch: engine.report?.epoch ?? 0,
      trimmed: engine.report?.trimmed ?? 0,
      underruns: engine.report?.underruns ?? 0,
      malformed: engine.malformed,
      dropped: engine.droppedHere,
      microphone: engine.devices.microphone.track !== null,
      camera: engine.devices.camera.track !== null,
      error: engine.error,
    }),
    playbackTap: () => engine.tap.read(),
  };
}

function initialize({ model, signal }: InitializeProps): void {
  const key = keyOf(model);
  engines.get(key)?.dispose();
  const engine = new Engine(model as EngineModel);
  engines.set(key, engine);
  const page = (window.__imkit ??= { engines: new Map() });
  page.engines.set(key, inspect(engine));
  signal.addEventListener("abort", () => {
    engine.dispose();
    if (engines.get(key) !== engine) return;
    engines.delete(key);
    page.engines.delete(key);
  });
}

function render({ model, el, signal }: RenderProps): void {
  const engine = engines.get(keyOf(model));
  if (!engine) throw new Error("imkit: this view has no engine; run the cell again");
  renderView(engine, el, signal);
}

export default { initialize, render };
