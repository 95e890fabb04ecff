// Between worklets, lanes and page. Runs in a Web Worker, so that a busy page delays no sound; runs in the page itself
// where no worker can be had.

import { decodeFrame, encodeFrame, type Frame, FLAG_GAP, FLAG_MICROPHONE_OFF, type FrameFields, type Json, Kind } from "./codec";
import { INPUT_SAMPLES, TICK_S } from "./pcm";
import { type LaneName, Lanes, type LaneWorld } from "./lanes";
import type { CaptureTick, PlaybackOrder, PlaybackReport } from "./ports";
import { REASONS } from "./strings";

const SOCKET_PING_MS = 2_000;
const CLOCK_MS = 50;
const HEARTBEAT_MS = 30_000;
const UNANSWERED_MS = 12_000;
const VIDEO_HOLD_BYTES = 256 << 10;
const AHEAD_TICKS = 10; // newer frames are not sent while the kernel is this far behind

/** Page -> relay. */
export type RelayOrder =
  | { type: "connect"; urls: string[]; hello: Json }
  | { type: "comm"; data: ArrayBuffer } // a frame that came over the comm
  | { type: "send"; fields: FrameFields; lane?: LaneName }
  | { type: "ports"; capture: MessagePort; playback: MessagePort }
  | { type: "unplug" }
  | { type: "live"; on: boolean }
  | { type: "clock" } // ticks of silence by the timer, on pages that may not use sound
  | { type: "close" };

/** Relay -> page. */
export type RelayEvent =
  | { type: "comm"; data: ArrayBuffer } // a frame to send over the comm
  | { type: "frame"; frame: Frame }
  | { type: "lane"; lane: LaneName; reason: string }
  | { type: "rtt"; ms: number }
  | { type: "tick"; tick: Omit<CaptureTick, "pcm">; grabFrame: boolean }
  | { type: "played"; report: PlaybackReport }
  | { type: "counts"; malformed: number; droppedTicks: number };

export interface RelayWorld extends LaneWorld {
  nowMs(): number;
  setInterval(call: () => void, ms: number): unknown;
  clearInterval(timer: any): void;
}

export class Relay {
  private readonly lanes: Lanes;
  private readonly pings: unknown;
  private capture: MessagePort | null = null;
  private playback: MessagePort | null = null;
  private hello: Json = {};
  private live = false;
  private epoch = 0;
  private gap = false;
  private malformed = 0;
  private droppedTicks = 0;
  private ack = -1;
  private nextPing: number;
  private waiting = new Map<number, number>(); // ping number -> when it was sent
  private lastCommPingMs = 0;
  private clock: unknown = null;

  constructor(
    private readonly world: RelayWorld,
    private readonly emit: (event: RelayEvent, transfer?: Transferable[]) => void,
  ) {
    this.nextPing = Math.floor(Math.random() * 2 ** 30); // comm answers reach every page: ours must be told apart
    this.lastCommPingMs = world.nowMs();
    this.lanes = new Lanes(world, {
      onLane: (lane, reason) => this.onLane(lane, reason),
      onFrame: (data) => this.receive(data),
      toComm: (data) => emit({ type: "comm", data }, [data]),
    });
    this.pings = world.setInterval(() => this.ping(), SOCKET_PING_MS);
  }

  take(order: RelayOrder): void {
    switch (order.type) {
      case "connect":
        this.hello = order.hello;
        return this.lanes.connect(order.urls);
      case "comm":
        return this.receive(order.data);
      case "send":
        return this.send(order.fields, order.lane);
      case "ports":
        return this.plug(order.capture, order.playback);
      case "unplug":
        return this.unplug();
      case "clock":
        return this.startClock();
      case "live":
        this.live = order.on;
        this.waiting.clear();
        return;
      case "close":
        this.world.clearInterval(this.pings);
        this.unplug();
        return this.lanes.close();
    }
  }

  private send(fields: FrameFields, lane?: LaneName): void {
    const data = encodeFrame({ epoch: this.epoch, ...fields });
    if (lane === "comm") this.emit({ type: "comm", data }, [data]);
    else this.lanes.send(data);
  }

  private control(message: Json, lane?: LaneName): void {
    this.send({ kind: Kind.ControlUp, payload: { view: this.hello.view, ...message } }, lane);
  }

  private plug(capture: MessagePort, playback: MessagePort): void {
    this.unplug();
    this.capture = capture;
    this.playback = playback;
    this.ack = -1;
    this.gap = false;
    capture.onmessage = (event: MessageEvent<CaptureTick>) => this.onTick(event.data);
    playback.onmessage = (event: MessageEvent<PlaybackReport>) => this.onPlayed(event.data);
  }

  private unplug(): void {
    this.capture?.close();
    this.playback?.close();
    this.capture = this.playback = null;
    this.world.clearInterval(this.clock);
  }

  private startClock(): void {
    this.unplug();
    this.ack = -1;
    let seq = 0;
    let startMs = this.world.nowMs();
    this.clock = this.world.setInterval(() => {
      const due = Math.floor((this.world.nowMs() - startMs) / (1000 * TICK_S)) - seq;
      if (due > AHEAD_TICKS) {
        startMs += due * 1000 * TICK_S; // the machine slept
        this.gap = true;
        return;
      }
      for (let n = 0; n < due; n++) {
        const pcm = new ArrayBuffer(2 * INPUT_SAMPLES);
        this.onTick({ pcm, seq: seq++, off: true, levelDb: -100, blocks: [], contextTimeS: 0 });
      }
    }, CLOCK_MS);
  }

  private onTick({ pcm, ...tick }: CaptureTick): void {
    const flags = (tick.off ? FLAG_MICROPHONE_OFF : 0) | (this.gap ? FLAG_GAP : 0);
    const taken = this.lanes.send(
      encodeFrame({ kind: Kind.Audio, flags, epoch: this.epoch, seq: tick.seq, timeS: tick.seq * TICK_S, payload: pcm }),
    );
    this.gap = !taken;
    if (!taken) {
      this.droppedTicks++;
      this.emit({ type: "counts", malformed: this.malformed, droppedTicks: this.droppedTicks });
    }
    const behind = this.ack >= 0 && tick.seq - this.ack > AHEAD_TICKS;
    this.emit({ type: "tick", tick, grabFrame: !behind && this.lanes.waitingBytes < VIDEO_HOLD_BYTES });
  }

  private onPlayed(report: PlaybackReport): void {
    const { epoch, samples, trimmed } = report;
    this.control({ type: "played", epoch, samples, trimmed });
    this.emit({ type: "played", report });
  }

  private receive(data: ArrayBuffer): void {
    let frame: Frame;
    try {
      frame = decodeFrame(data);
    } catch {
      this.malformed++;
      this.emit({ type: "counts", malformed: this.malformed, droppedTicks: this.droppedTicks });
      return;
    }
    if (frame.kind === Kind.Speech) {
      if (this.live && frame.payload.byteLength > 0) {
        const pcm = frame.payload.buffer as ArrayBuffer;
        this.playback?.postMessage({ type: "speech", pcm, epoch: frame.epoch, seq: frame.seq } satisfies PlaybackOrder, [pcm]);
      }
      return;
    }
    if (frame.kind === Kind.Moment && typeof frame.json?.ack === "number") this.ack = Math.max(this.ack, frame.json.ack);
    if (frame.kind === Kind.ControlDown && frame.json) {
      if (frame.json.type === "pong") return this.pong(frame.json);
      if (frame.json.type === "flush" || frame.json.type === "welcome") {
        this.epoch = Number(frame.json.epoch ?? frame.epoch);
        this.playback?.postMessage({ type: "flush", epoch: this.epoch } satisfies PlaybackOrder);
      }
    }
    this.emit({ type: "frame", frame });
  }

  private onLane(lane: LaneName, reason: string): void {
    this.waiting.clear();
    this.emit({ type: "lane", lane, reason });
    if (lane === "socket") {
      this.control({ ...this.hello, lane: "socket" });
      this.ping();
    } else {
      this.control({ ...this.hello, lane: "comm" }, "comm");
    }
  }

  private ping(): void {
    const now = this.world.nowMs();
    const oldest = this.waiting.values().next().value;
    if (oldest !== undefined && now - oldest > UNANSWERED_MS) {
      this.waiting.clear();
      this.lanes.giveUpSocket(REASONS.socketSilent);
    }
    const onSocket = this.lanes.lane === "socket";
    if (now - this.lastCommPingMs >= HEARTBEAT_MS) this.sendPing("comm", now);
    if (onSocket) this.sendPing(undefined, now);
    else if (this.live && now > this.lastCommPingMs) this.sendPing("comm", now);
  }

  private sendPing(lane: LaneName | undefined, now: number): void {
    const n = this.nextPing++;
    if (lane === "comm") this.lastCommPingMs = now;
    if (lane !== "comm" || this.lanes.lane === "comm") this.waiting.set(n, now);
    if (this.waiting.size > 20) this.waiting.delete(this.waiting.keys().next().value!);
    this.control({ type: "ping", n, t: now }, lane);
  }

  private pong(message: Json): void {
    const sent = this.waiting.get(Number(message.n));
    if (sent === undefined) return;
    this.waiting.clear(); // later answers tell nothing that this one does not
    this.emit({ type: "rtt", ms: this.world.nowMs() - sent });
  }
}
