// The page's end of the line: says hello until the kernel answers, feeds the relay with what comes over the comm, and
// knows which lane is in use and how it fares.

import type { AnyModel } from "@anywidget/types";
import { Approvals } from "./approval";
import { bufferOf } from "./buffers";
import { encodeFrame, type Frame, type FrameFields, type Json, Kind } from "./codec";
import type { SocketAddress } from "./host";
import { type LaneName, socketUrls } from "./lanes";
import type { CaptureTick, PlaybackReport } from "./ports";
import { textOr } from "./protocol";
import type { RelayEvent, RelayOrder } from "./relay";
import { type RelayHost, startRelay } from "./relayhost";
import { REASONS } from "./strings";

const HELLO_FIRST_MS = 2_000;
const HELLO_LONGEST_MS = 30_000;

const pageSession = crypto.randomUUID?.() ?? Math.random().toString(36).slice(2);

export interface LinkEvents {
  onFrame(frame: Frame): void;
  onTick(tick: Omit<CaptureTick, "pcm">, grabFrame: boolean): void;
  onPlayed(report: PlaybackReport): void;
  onLost(reason: string): void;
  onChange(): void;
}

export class Link {
  readonly viewId = Math.random().toString(36).slice(2, 10);
  readonly approvals = new Approvals(this.viewId);
  state: "connecting" | "connected" | "lost" = "connecting";
  lane: LaneName = "comm";
  laneReason = "";
  rttMs: number | null = null;
  droppedTicks = 0;
  malformed = 0;
  lastFrameMs = performance.now();
  address: SocketAddress | null = null; // where the kernel's socket is, when it has one

  private readonly relay: RelayHost;
  private helloWaitMs = HELLO_FIRST_MS;
  private helloTimer: ReturnType<typeof setTimeout> | undefined;
  private closed = false;

  constructor(
    private readonly model: AnyModel,
    private readonly events: LinkEvents,
  ) {
    this.relay = startRelay((event) => this.onRelay(event));
    model.on("msg:custom", this.onMessage);
    model.on("comm:close", this.onCommClosed);
    this.hello();
  }

  control(message: Json, lane?: LaneName): void {
    this.send({ kind: Kind.ControlUp, payload: { view: this.viewId, ...message } }, lane);
  }

  send(fields: FrameFields, lane?: LaneName): void {
    this.relay.post(lane ? { type: "send", fields, lane } : { type: "send", fields });
  }

  post(order: RelayOrder): void {
    this.relay.post(order);
  }

  plug(capture: MessagePort, playback: MessagePort): void {
    this.relay.post({ type: "ports", capture, playback }, [capture, playback]);
  }

  /** For a kernel that forgot this page. */
  helloAgain(capturing: boolean): void {
    this.control({ ...this.greeting(), lane: this.lane, capturing });
  }

  /** The kernel answered, and said where its socket is, if it has one. */
  welcomed(socket: unknown): void {
    clearTimeout(this.helloTimer);
    this.helloWaitMs = HELLO_FIRST_MS;
    this.state = "connected";
    const { port, token, path } = (socket ?? {}) as Json;
    const { protocol, hostname, host } = window.location;
    this.address = typeof port === "number" ? { port, token: textOr(token), path: textOr(path) } : null;
    const urls = this.address ? socketUrls(this.address, { protocol, hostname, host, baseUrl: baseUrl() }) : [];
    this.relay.post({ type: "connect", urls, hello: this.greeting() });
  }

  /** A page that goes lets go of the microphone's turn: by the comm at once, for its relay goes with it. */
  goodbye(): void {
    if (this.state === "lost" || this.closed) return;
    this.overComm(encodeFrame({ kind: Kind.ControlUp, payload: { view: this.viewId, type: "lease", take: false } }));
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.helloTimer);
    this.model.off("msg:custom", this.onMessage);
    this.model.off("comm:close", this.onCommClosed);
    this.relay.close();
  }

  private greeting(): Json {
    return {
      type: "hello",
      view: this.viewId,
      page_session: pageSession,
      lane: "comm",
      origin: window.location.origin,
      user_agent: navigator.userAgent,
    };
  }

  private hello(): void {
    if (this.closed || this.state !== "connecting") return;
    this.control(this.greeting(), "comm");
    this.helloTimer = setTimeout(() => this.hello(), this.helloWaitMs);
    this.helloWaitMs = Math.min(2 * this.helloWaitMs, HELLO_LONGEST_MS);
  }

  private onMessage = (content: { imkit?: number } | null, buffers: unknown[] | null = []): void => {
    if (content?.imkit !== 1) return;
    for (const buffer of buffers ?? []) {
      const data = bufferOf(buffer) ?? new ArrayBuffer(0); // what is none is counted as malformed
      this.relay.post({ type: "comm", data }, [data]);
    }
  };

  private onCommClosed = (): void => this.lost(REASONS.widgetClosed);

  private onRelay(event: RelayEvent): void {
    if (event.type === "comm") return this.overComm(event.data); // a closing page still says goodbye
    if (this.closed) return;
    switch (event.type) {
      case "frame":
        this.lastFrameMs = performance.now();
        if (this.approvals.take(event.frame)) break;
        return this.events.onFrame(event.frame);
      case "tick":
        return this.events.onTick(event.tick, event.grabFrame);
      case "played":
        return this.events.onPlayed(event.report);
      case "lane":
        this.lane = event.lane;
        this.laneReason = event.reason;
        this.rttMs = null;
        break;
      case "rtt":
        this.lastFrameMs = performance.now();
        this.rttMs = event.ms;
        break;
      case "counts":
        this.malformed = event.malformed;
        this.droppedTicks = event.droppedTicks;
        break;
    }
    this.events.onChange();
  }

  private overComm(data: ArrayBuffer): void {
    try {
      this.model.send({ imkit: 1, view: this.viewId }, undefined, [data]);
    } catch {
      this.lost(REASONS.kernelGone);
    }
  }

  private lost(reason: string): void {
    if (this.state === "lost" || this.closed) return;
    this.state = "lost";
    this.approvals.waiting.clear();
    this.relay.post({ type: "connect", urls: [], hello: {} });
    this.events.onLost(reason);
    this.events.onChange();
  }
}

function baseUrl(): string {
  try {
    const config = JSON.parse(document.getElementById("jupyter-config-data")?.textContent ?? "{}") as Json;
    return textOr(config.baseUrl, "/");
  } catch {
    return "/";
  }
}
