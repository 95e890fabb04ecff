// Generated cells inside the panel, where a host lets no widget stand below another. Each is the same view as elsewhere;
// only its messages go the session's way.

import { bufferOf } from "./buffers";
import type { Json } from "./codec";
import { make } from "./dom";
import { listOf, textOr } from "./protocol";
import { SurfaceView } from "./surfaceview";

export class PanelCells {
  readonly element = make("div", { class: "imk-cells" });
  private readonly views = new Map<string, SurfaceView>();

  constructor(private readonly send: (message: Json) => void) {}

  /** What the kernel says of one cell. */
  take(message: Json): void {
    const id = textOr(message.cell);
    const told = (message.message ?? {}) as Json;
    if (!id) return;
    if (told.type === "gone") {
      this.views.get(id)?.dispose();
      this.views.delete(id);
      return;
    }
    let view = this.views.get(id);
    if (!view) {
      if (told.whole !== true) return; // the beginning was missed: it comes again when the page asks
      view = new SurfaceView((said) => this.send({ type: "cell", cell: id, message: { imkit: 1, ...said } }));
      this.views.set(id, view);
      this.element.append(view.element);
    }
    view.take(told, listOf(message.pictures).map((picture) => bufferOf(picture) ?? new ArrayBuffer(0)));
  }

  /** Asks for all cells, for a view that was drawn after them. */
  ask(): void {
    this.send({ type: "cell", cell: "", message: null });
  }

  dispose(): void {
    for (const view of this.views.values()) view.dispose();
    this.views.clear();
  }
}
