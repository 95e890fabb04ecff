// The switch that lets the model know what the notebook's cells do, and words for those who cannot see it.
// It shows what the kernel says, never what was only asked for: the notebook can switch it too.

import type { Json } from "./codec";
import { make, press, setText, toggle } from "./dom";
import { VIEW } from "./strings";

export interface SharingEvents {
  shared(): boolean | null; // null where the kernel has nothing to share
  allowed(): boolean;
  set(on: boolean): void;
}

export class Sharing {
  readonly button = toggle(
    VIEW.share,
    VIEW.shareTitle,
    () => this.events.set(this.events.shared() !== true),
  );
  readonly words = make("span", { class: "imk-unseen", role: "status" });

  constructor(private readonly events: SharingEvents) {}

  draw(): void {
    const shared = this.events.shared();
    press(this.button, shared === true);
    this.button.hidden = shared === null;
    this.button.disabled = !this.events.allowed();
    setText(this.words, shared === true ? VIEW.shared : "");
  }
}

/** What a message of the kernel says about sharing; what is known stays where it says nothing. */
export function sharingOf(message: Json, known: boolean | null): boolean | null {
  return typeof message.notebook === "boolean" ? message.notebook : known;
}
