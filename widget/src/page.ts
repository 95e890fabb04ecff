// The capture page: the same widget on a page of its own, for notebooks whose page may not use a microphone. The kernel
// serves it to browsers on its own machine.

import type { AnyModel } from "@anywidget/types";
import { Engine, type EngineModel } from "./engine";
import { SocketModel } from "./socketmodel";
import { renderView } from "./view";

/** Draws the session of the address that this page was opened with into `root`. */
export function openPage(root: HTMLElement, traits: Record<string, unknown>, seen: (engine: Engine) => void): void {
  const { host, pathname, search } = window.location;
  const socket = new WebSocket(`ws://${host}${pathname.replace(/\/page$/, "")}${search}`);
  const engine = new Engine(new SocketModel(traits, socket) as unknown as AnyModel as EngineModel);
  const end = new AbortController();
  seen(engine);
  renderView(engine, root, end.signal);
  window.addEventListener("pagehide", (event) => {
    if (event.persisted) return;
    engine.dispose();
    end.abort();
  });
}
