// One per widget model, alive across views: media, audio graph, lanes, lease, counters. Views only draw what it holds.

import type { AnyModel } from "@anywidget/types";
import { type Frame, type Json, Kind } from "./codec";
import { TICK_S } from "./pcm";
import { DemoVoice } from "./demo";
import { Devices } from "./devices";
import { AudioGraph } from "./graph";
import { obstacleHere } from "./host";
import { Link } from "./link";
import type { MediaKind } from "./media";
import type { CaptureTick, PlaybackReport } from "./ports";
import { listOf, momentOf, Recent, textOr } from "./protocol";
import { sharingOf } from "./sharing";
import { REASONS, TALK } from "./strings";
import { Tap } from "./tap";
import { Transcript } from "./transcript";

const MEDIA_PATIENCE_MS = 1_500;
const SILENT_KERNEL_MS = 3_000;
const STOPPED_SURELY_MS = 1_500;
const LAST_REPORT_MS = 150;
const LEASE_SETTLED_TICKS = 10;

export type EngineModel = AnyModel<{ session_id: string; media: string | null; output_rate: number }>;
export type Change = "state" | "tick" | "words";

export class Engine {
  readonly link: Link;
  readonly recent = new Recent();
  readonly transcript = new Transcript();
  readonly tap = new Tap();
  readonly devices: Devices;
  session = { state: "idle", reason: "", model: "", id: "" };
  stats: Json = {};
  starting = false;
  running = false;
  readonly demo: DemoVoice;
  shareDraft = false;
  notebook: boolean | null = null; // whether the notebook is shared, as the kernel says; null where it cannot be
  speakers = false;
  leaseHolder: string | null = null;
  levelDb = -100;
  capturedTicks = 0;
  framesSent = 0;
  report: PlaybackReport | null = null;
  heardS = 0; // how far the model's speech was heard, on the session's clock
  error = "";
  surface = "";
  note = "";

  readonly obstacle = obstacleHere();
  readonly onCell = new Set<(message: Json) => void>(); // views that draw generated cells

  private readonly listeners = new Set<(change: Change) => void>();
  private graph: AudioGraph | null = null;
  private stopTimer: ReturnType<typeof setTimeout> | undefined;
  private lastMomentMs = performance.now();
  private startCount = 0;
  private disposed = false;

  constructor(private readonly model: EngineModel) {
    this.devices = new Devices(model, () => this.onDevices(), (error) => this.fault("media", error));
    this.demo = new DemoVoice({
      ask: () => this.link.control({ type: "demo" }),
      fault: (message) => (this.error = message),
      changed: () => this.changed(),
    });
    this.link = new Link(model, {
      onFrame: (frame) => this.onFrame(frame),
      onTick: (tick, grabFrame) => this.onTick(tick, grabFrame),
      onPlayed: (report) => this.onPlayed(report),
      onLost: (reason) => this.onLost(reason),
      onChange: () => this.changed(),
    });
    window.addEventListener("pagehide", this.onPageHide);
  }

  get canSound(): boolean {
    return window.isSecureContext && typeof AudioWorkletNode !== "undefined";
  }

  get mine(): boolean {
    return this.leaseHolder === null || this.leaseHolder === this.link.viewId;
  }

  get soundBlocked(): boolean {
    return this.running && this.graph?.context.state === "suspended";
  }

  /** Nothing came from the kernel for a while although it should. */
  get silentKernel(): boolean {
    const now = performance.now();
    const noMoment = this.session.state === "live" && now - this.lastMomentMs > SILENT_KERNEL_MS;
    return this.running && (noMoment || now - this.link.lastFrameMs > SILENT_KERNEL_MS);
  }

  /** The tick that is being captured now, on the session's own count. */
  get nowIndex(): number {
    const last = this.recent.last;
    if (!last) return this.capturedTicks - 1;
    return last.i + (this.running && last.ack >= 0 ? Math.max(0, Math.min(this.capturedTicks - 1 - last.ack, 1e6)) : 0);
  }

  subscribe(listener: (change: Change) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Only ever from a click or a key: the audio context and the permission prompt need one. */
  async start(media = true): Promise<void> {
    if (this.running || this.starting || this.link.state === "lost" || this.disposed) return;
    this.starting = true;
    this.error = "";
    const run = ++this.startCount;
    if (!media || this.obstacle) this.devices.wantNothing();
    this.link.control({ type: "lease", take: true });
    this.leaseHolder = this.link.viewId;
    this.changed();
    try {
      if (!this.canSound) return this.startSilent();
      const context = new AudioContext({ latencyHint: "interactive" });
      context.onstatechange = () => this.changed();
      void context.resume();
      const [opened] = await Promise.all([AudioGraph.open(context, this.model.get("output_rate") || 16000), this.devices.open(MEDIA_PATIENCE_MS)]);
      if (run !== this.startCount || this.disposed) {
        await opened.graph.close();
        return this.devices.release();
      }
      this.graph = opened.graph;
      this.link.plug(opened.capture, opened.playback);
      this.tap.reset(context, this.graph.analyser);
      this.graph.setMicrophone(this.devices.microphone.track);
      this.graph.setDucked(this.speakers);
      this.goLive((context.baseLatency || 0) + (context.outputLatency || 0));
      this.graph.run();
    } catch (error) {
      this.fault("start", error);
      this.devices.release();
    } finally {
      this.starting = false;
      this.changed();
    }
  }

  /** Where the page may not use sound, a timer is the clock: typing and reading still work. */
  private startSilent(): void {
    this.goLive(0);
    this.link.post({ type: "clock" });
  }

  private goLive(outputLatencyS: number): void {
    this.link.post({ type: "live", on: true });
    this.capturedTicks = 0;
    this.report = null;
    this.heardS = 0;
    this.link.lastFrameMs = this.lastMomentMs = performance.now();
    this.running = true;
    this.link.control({ type: "start", constraints: this.devices.granted(), output_latency_s: outputLatencyS });
    this.sayDevices();
  }

  stop(): void {
    this.startCount++;
    const was = this.running;
    void this.halt();
    if (was) this.link.control({ type: "stop" });
    this.changed();
  }

  async resumeSound(): Promise<void> {
    await this.graph?.context.resume();
    this.changed();
  }

  /** Switches a device off (its track is stopped, its light goes out) or on again (asked for anew). */
  async setDevice(kind: MediaKind, wanted: boolean, deviceId = this.devices[kind].deviceId): Promise<void> {
    this.devices.want(kind, wanted, deviceId);
    if (this.running) await this.devices.open(MEDIA_PATIENCE_MS);
  }

  setSpeakers(on: boolean): void {
    this.speakers = on;
    this.graph?.setDucked(on);
    this.changed();
  }

  setShareDraft(on: boolean): void {
    this.shareDraft = on;
    this.link.control({ type: "share_draft", on });
    this.changed();
  }

  /** Asks the kernel to share what cells do, or to stop; its answer is what is shown. */
  setNotebook(on: boolean): void {
    this.link.control({ type: "share_notebook", on });
  }

  sendText(text: string): void {
    this.link.send({ kind: Kind.Text, timeS: this.capturedTicks * TICK_S, payload: { text } });
  }

  sendDraft(draft: string): void {
    if (this.shareDraft && this.running) this.link.send({ kind: Kind.Text, timeS: this.capturedTicks * TICK_S, payload: { draft } });
  }

  /** The bundled voice asks a question, or falls silent. */
  async playDemo(): Promise<void> {
    if (this.demo.state !== "idle") return this.demo.stop(this.graph);
    await this.demo.ask(async () => {
      if (!this.running) await this.start(false);
      return this.running;
    });
  }

  dispose(): void {
    this.disposed = true;
    window.removeEventListener("pagehide", this.onPageHide);
    if (this.running && this.mine) this.link.control({ type: "stop" });
    void this.halt();
    clearTimeout(this.stopTimer);
    this.devices.close();
    this.link.close();
    this.listeners.clear();
  }

  /** The next page, after a reload, need not ask whether it may take over. */
  private onPageHide = (): void => {
    if (this.leaseHolder === this.link.viewId) this.link.goodbye();
  };

  private onPlayed(report: PlaybackReport): void {
    this.report = report;
    this.heardS = Math.max(this.heardS, report.heardS);
    this.tap.played(report);
  }

  private onLost(reason: string): void {
    this.session = { ...this.session, state: "closed", reason };
    void this.halt();
  }

  private onTick(tick: Omit<CaptureTick, "pcm">, grabFrame: boolean): void {
    if (!this.running) return;
    this.capturedTicks = tick.seq + 1;
    this.levelDb = tick.levelDb;
    this.tap.captured(tick);
    if (grabFrame) void this.sendStill(this.capturedTicks * TICK_S);
    this.changed("tick");
  }

  private async sendStill(timeS: number): Promise<void> {
    try {
      const jpeg = await this.devices.still();
      if (jpeg && this.running) this.link.send({ kind: Kind.Frame, seq: this.framesSent++, timeS, payload: jpeg });
    } catch (error) {
      this.fault("camera", error);
    }
  }

  private onFrame(frame: Frame): void {
    if (frame.kind === Kind.Moment && frame.json) {
      const moment = momentOf(frame.json);
      if (this.silentKernel) queueMicrotask(() => this.changed());
      this.lastMomentMs = performance.now();
      this.recent.add(moment);
      if (this.transcript.add(moment)) this.changed("words");
      if (!this.running) this.changed("tick");
    } else if (frame.kind === Kind.Demo) {
      this.demo.came(frame, this.graph);
    } else if (frame.kind === Kind.ControlDown && frame.json) {
      this.onControl(frame.json);
    }
  }

  private onControl(message: Json): void {
    switch (message.type) {
      case "welcome":
        if (message.view !== undefined && message.view !== this.link.viewId) return; // comm answers reach every page
        return this.onWelcome(message);
      case "state":
        this.session.state = textOr(message.state, this.session.state);
        this.session.reason = textOr(message.reason);
        if (message.state === "closed") void this.halt();
        else if (message.state === "stopped") this.stopIfSo();
        break;
      case "flush":
        this.onFlush();
        break;
      case "lease":
        this.leaseHolder = textOr(message.holder) || null;
        if (!this.mine && (this.running || this.starting)) {
          this.startCount++;
          void this.halt();
        } else if (this.leaseHolder === null && this.running && this.capturedTicks > LEASE_SETTLED_TICKS) {
          this.link.helloAgain(true); // the kernel forgot this page, after a long silence on its own side
          this.link.control({ type: "lease", take: true });
        }
        break;
      case "stats":
        this.stats = message;
        this.notebook = sharingOf(message, this.notebook);
        break;
      case "sharing":
        this.notebook = sharingOf(message, this.notebook);
        break;
      case "surface":
        this.surface = textOr(message.title) || textOr(message.id);
        this.transcript.note(TALK.made(this.surface), (this.recent.last?.i ?? 0) * TICK_S);
        this.changed("words");
        break;
      case "cell":
        for (const take of this.onCell) take(message);
        return;
      case "error":
        this.error = textOr(message.message, REASONS.unknownFault);
        break;
      default:
        return;
    }
    this.changed();
  }

  private onWelcome(message: Json): void {
    this.session = {
      state: textOr(message.state, "idle"),
      reason: textOr(message.reason),
      model: textOr(message.model),
      id: textOr(message.session),
    };
    this.link.welcomed(message.socket);
    this.note = textOr(message.note);
    this.notebook = sharingOf(message, null);
    if (message.anew === true) this.recent.clear();
    const history = listOf(message.history);
    for (const item of history) this.recent.add(momentOf((item ?? {}) as Json));
    if (this.transcript.entries.length === 0) {
      if (listOf(message.transcript).length > 0) this.transcript.restore(message.transcript, this.recent.last?.i ?? -1);
      else for (const item of history) this.transcript.add(momentOf((item ?? {}) as Json));
      this.transcript.allKnown();
    }
    this.changed("words");
    this.changed("tick");
    this.changed();
  }

  /** What is on changed, perhaps long after it was asked for. */
  private onDevices(): void {
    if (this.running) {
      this.graph?.setMicrophone(this.devices.microphone.track);
      this.sayDevices();
    }
    this.changed();
  }

  private sayDevices(): void {
    const { microphone, camera } = this.devices;
    this.link.control({ type: "mute", microphone: !microphone.track, camera: !camera.track });
    this.link.control({ type: "permissions", microphone: microphone.permission, camera: camera.permission });
  }

  private async halt(): Promise<void> {
    const graph = this.graph;
    this.running = false;
    this.graph = null;
    this.demo.forget();
    this.levelDb = -100;
    this.devices.release();
    this.tap.reset(null, null);
    this.link.post({ type: "live", on: false });
    this.link.post({ type: "unplug" });
    this.changed();
    await graph?.close();
  }

  /** Words that were cut off are struck through, once the playback has said how far it came. */
  private onFlush(): void {
    if (!this.running) return;
    const words = this.transcript.cuttable();
    setTimeout(() => {
      this.transcript.cut(words, this.heardS);
      this.changed("words");
    }, LAST_REPORT_MS);
  }

  /** The session was stopped in the notebook. A start passes through "stopped" too, so look again a little later. */
  private stopIfSo(): void {
    const run = this.startCount;
    clearTimeout(this.stopTimer);
    this.stopTimer = setTimeout(() => {
      if (this.running && run === this.startCount && this.session.state === "stopped") void this.halt();
    }, STOPPED_SURELY_MS);
  }

  private fault(where: string, error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.error = message;
    this.link.control({ type: "fault", where, message: message.slice(0, 500) });
    this.changed();
  }

  private changed(change: Change = "state"): void {
    for (const listener of this.listeners) listener(change);
  }
}
