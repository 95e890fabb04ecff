// The anywidget module of one generated cell. All that it knows comes in messages, so a saved notebook holds none of it.

import type { AnyModel, RenderProps } from "@anywidget/types";
import type { Json } from "./codec";
import { SurfaceView } from "./surfaceview";

export function renderSurface(model: AnyModel, el: HTMLElement, signal: AbortSignal): void {
  const view = new SurfaceView((message) => model.send({ imkit: 1, ...message }));
  const take = (message: unknown, buffers: DataView[]) => {
    if (typeof message === "object" && message !== null && (message as Json).imkit === 1) view.take(message as Json, buffers);
  };
  model.on("msg:custom", take);
  el.append(view.element);
  signal.addEventListener("abort", () => {
    model.off("msg:custom", take);
    view.dispose();
  });
  model.send({ imkit: 1, type: "hello" });
}

export default {
  render({ model, el, signal }: RenderProps): void {
    renderSurface(model, el, signal);
  },
};
