// The microphone and the camera of one engine: what is wanted, what is on, and what the browser allows.

import type { AnyModel } from "@anywidget/types";
import type { Json } from "./codec";
import { knownPermission, type MediaKind, openTracks, type Permission, Stills, tracksOfWidget } from "./media";

export interface Device {
  wanted: boolean;
  track: MediaStreamTrack | null;
  permission: Permission;
  deviceId: string;
}

const KINDS = ["microphone", "camera"] as const;
const unopened = (): Device => ({ wanted: true, track: null, permission: "prompt", deviceId: "" });

export class Devices {
  readonly microphone = unopened();
  readonly camera = unopened();
  private stills: Stills | null = null;
  private run = 0; // raised by release(): what was asked for before is stopped when it comes

  constructor(
    private readonly model: AnyModel,
    private readonly onChange: () => void,
    private readonly onError: (error: unknown) => void,
  ) {
    for (const kind of KINDS) void this.lookUp(kind);
    navigator.mediaDevices?.addEventListener?.("devicechange", onChange);
  }

  wantNothing(): void {
    this.microphone.wanted = this.camera.wanted = false;
  }

  want(kind: MediaKind, wanted: boolean, deviceId: string): void {
    const device = this[kind];
    const another = deviceId !== device.deviceId;
    device.wanted = wanted;
    device.deviceId = deviceId;
    if (!wanted || another) this.drop(kind);
    this.onChange();
  }

  /** Opens what is wanted and off. Waits no longer than that for a person who has not answered the prompt yet. */
  async open(patienceMs: number): Promise<void> {
    const kinds = KINDS.filter((kind) => this[kind].wanted && !this[kind].track);
    if (kinds.length === 0) return;
    const opening = this.openAll(kinds).catch(this.onError);
    await Promise.race([opening, new Promise<void>((done) => setTimeout(done, patienceMs))]);
  }

  /** The camera's picture as JPEG; null when there is none. */
  async still(): Promise<Uint8Array | null> {
    const stills = this.stills;
    const jpeg = (await stills?.grab()) ?? null;
    return stills === this.stills ? jpeg : null;
  }

  /** What the browser really granted, which may differ from what was asked for. */
  granted(): Json {
    const { echoCancellation, noiseSuppression, autoGainControl, sampleRate } = this.microphone.track?.getSettings() ?? {};
    const { width, height, frameRate } = this.camera.track?.getSettings() ?? {};
    return { echoCancellation, noiseSuppression, autoGainControl, sampleRate, width, height, frameRate };
  }

  /** Stops both tracks; what is wanted stays wanted. */
  release(): void {
    this.run++;
    for (const kind of KINDS) this.drop(kind);
  }

  close(): void {
    this.release();
    navigator.mediaDevices?.removeEventListener?.("devicechange", this.onChange);
  }

  private async openAll(kinds: MediaKind[]): Promise<void> {
    const run = this.run;
    const reference: unknown = this.model.get("media");
    const opened = typeof reference === "string" && reference
      ? await this.fromWidget(reference)
      : await openTracks(Object.fromEntries(kinds.map((kind) => [kind, this[kind].deviceId])));
    for (const kind of KINDS) {
      const got = opened[kind];
      if (!got) continue;
      const device = this[kind];
      device.permission = got.permission;
      if (got.track && kinds.includes(kind) && device.wanted && !device.track && run === this.run) this.put(kind, got.track);
      else got.track?.stop();
    }
    this.onChange();
  }

  private async fromWidget(reference: string): Promise<Awaited<ReturnType<typeof openTracks>>> {
    const stream = await tracksOfWidget(this.model.widget_manager, reference);
    const of = (track: MediaStreamTrack | undefined) => ({ track: track ?? null, permission: track ? ("granted" as const) : ("missing" as const) });
    return { microphone: of(stream.getAudioTracks()[0]), camera: of(stream.getVideoTracks()[0]) };
  }

  private put(kind: MediaKind, track: MediaStreamTrack): void {
    this[kind].track = track;
    if (kind === "camera") this.stills = new Stills(track);
    track.onended = () => {
      this.drop(kind); // unplugged, or taken back in the browser's own controls
      this[kind].permission = "missing";
      this.onChange();
    };
  }

  private drop(kind: MediaKind): void {
    const device = this[kind];
    if (kind === "camera") {
      this.stills?.close();
      this.stills = null;
    }
    if (!device.track) return;
    device.track.onended = null;
    device.track.stop();
    device.track = null;
  }

  private async lookUp(kind: MediaKind): Promise<void> {
    const permission = await knownPermission(kind);
    if (this[kind].permission === "prompt") this[kind].permission = permission;
    this.onChange();
  }
}
