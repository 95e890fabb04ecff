// The strip alone: for whoever looks on while a session runs from elsewhere. It captures and plays nothing.

import { Captions } from "./captions";
import { make, setText } from "./dom";
import type { Engine } from "./engine";
import { TICK_S } from "./pcm";
import { onlooking } from "./status";
import { VIEW } from "./strings";
import { StripBox } from "./stripbox";
import { followTheme } from "./theme";

export function renderLive(engine: Engine, root: HTMLElement, signal: AbortSignal): void {
  const state = make("span", { class: "imk-state", role: "status" });
  const model = make("span", { class: "imk-model" });
  const reason = make("span", { class: "imk-model imk-reason" });
  const captions = new Captions();
  captions.skip(engine.transcript);
  let frame = 0;
  const schedule = (): void => {
    if (!frame) frame = requestAnimationFrame(update);
  };
  const strip = new StripBox(engine, schedule);
  const update = (): void => {
    frame = 0;
    const { text, tone } = onlooking(engine.link.state, engine.session.state);
    setText(state, text);
    state.dataset.tone = tone;
    setText(model, engine.session.model);
    setText(reason, engine.session.reason);
    strip.draw();
    captions.draw(engine.transcript, engine.nowIndex * TICK_S);
  };
  const element = make("section", { class: "imk-root imk-live", "aria-label": VIEW.live },
    make("header", { class: "imk-bar" }, state, model, reason), strip.element, captions.element);
  root.append(element);
  const leave = engine.subscribe(schedule);
  strip.attach();
  const themeless = followTheme(element, () => strip.themed());
  signal.addEventListener("abort", () => {
    leave();
    cancelAnimationFrame(frame);
    strip.detach();
    themeless();
    element.remove();
  });
}
