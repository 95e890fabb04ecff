// The socket lane, and the choice between it and the comm, which is always there. Knows no page and no worker.

import { isLoopback, type SocketAddress } from "./host";
import { REASONS } from "./strings";

export type LaneName = "comm" | "socket";

export const OPEN_LIMIT_MS = 800;
const OPEN = 1; // WebSocket.OPEN
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
const ATTEMPTS_NEVER_OPENED = 3;
const ATTEMPTS_ONCE_OPENED = 10;
const SOCKET_FULL_BYTES = 1 << 20;

export interface PagePlace {
  protocol: string; // "http:" or "https:"
  hostname: string;
  host: string;
  baseUrl: string; // of the Jupyter server, ends with a slash
}

/** Where the kernel's socket may be reached from this page, best first. */
export function socketUrls(address: SocketAddress, page: PagePlace): string[] {
  const path = address.path.replace(/^\/+/, "");
  const query = `?t=${encodeURIComponent(address.token)}`;
  const urls: string[] = [];
  if (isLoopback(page.hostname)) urls.push(`ws://127.0.0.1:${address.port}/${path}${query}`);
  if (/^https?:$/.test(page.protocol)) {
    const scheme = page.protocol === "https:" ? "wss" : "ws";
    const base = page.baseUrl.startsWith("/") ? page.baseUrl : `/${page.baseUrl}`;
    urls.push(`${scheme}://${page.host}${base.replace(/\/*$/, "/")}proxy/${address.port}/${path}${query}`);
  }
  return urls;
}

/** Milliseconds to wait before attempt n (from 0), doubled each time up to a bound; null when it is time to give up. */
export function backOffMs(attempt: number, everOpened: boolean): number | null {
  if (attempt >= (everOpened ? ATTEMPTS_ONCE_OPENED : ATTEMPTS_NEVER_OPENED)) return null;
  return Math.min(FIRST_WAIT_MS * 2 ** attempt, LONGEST_WAIT_MS);
}

export interface SocketLike {
  binaryType: string;
  readonly bufferedAmount: number;
  readonly readyState: number;
  onopen: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  send(data: ArrayBuffer): void;
  close(): void;
}

export interface LaneWorld {
  openSocket(url: string): SocketLike;
  setTimeout(call: () => void, ms: number): unknown;
  clearTimeout(timer: any): void;
}

export interface LaneEvents {
  onLane(lane: LaneName, reason: string): void;
  onFrame(data: ArrayBuffer): void;
  /** Hands a frame to the comm. */
  toComm(data: ArrayBuffer): void;
}

/** Carries frames over the socket while it is open and over the comm otherwise; reopens the socket with bounded back-off. */
export class Lanes {
  lane: LaneName = "comm";
  private urls: string[] = [];
  private socket: SocketLike | null = null;
  private timer: unknown = null;
  private attempt = 0;
  private everOpened = false;
  private closed = false;

  constructor(
    private readonly world: LaneWorld,
    private readonly events: LaneEvents,
  ) {}

  /** Tries these addresses from now on; none means comm only. */
  connect(urls: string[]): void {
    if (this.closed || urls.join() === this.urls.join()) return;
    this.urls = urls;
    this.attempt = 0;
    this.everOpened = false;
    this.drop("");
    if (urls.length > 0) this.tryUrl(0);
  }

  /** False when the lane is full and the frame was not taken. */
  send(data: ArrayBuffer): boolean {
    // a socket may be closing for long before it says so, and swallows what it is given meanwhile
    if (this.lane === "socket" && this.socket?.readyState !== OPEN) this.lost(REASONS.socketClosed);
    if (this.lane === "socket" && this.socket) {
      if (this.socket.bufferedAmount > SOCKET_FULL_BYTES) return false;
      this.socket.send(data);
    } else {
      this.events.toComm(data);
    }
    return true;
  }

  /** Bytes that wait in the socket. */
  get waitingBytes(): number {
    return this.lane === "socket" ? (this.socket?.bufferedAmount ?? 0) : 0;
  }

  /** The open socket answers no more: close it and begin again. */
  giveUpSocket(reason: string): void {
    if (this.lane === "socket") this.lost(reason);
  }

  close(): void {
    this.closed = true;
    this.drop("");
  }

  private tryUrl(index: number): void {
    let socket: SocketLike;
    try {
      socket = this.world.openSocket(this.urls[index]!);
    } catch {
      return this.failed(index);
    }
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    let settled = false;
    const fail = () => {
      if (settled) return;
      settled = true;
      this.release(socket);
      this.failed(index);
    };
    this.timer = this.world.setTimeout(fail, OPEN_LIMIT_MS);
    socket.onerror = fail;
    socket.onclose = fail;
    socket.onopen = () => {
      if (settled) return;
      settled = true;
      this.world.clearTimeout(this.timer);
      this.everOpened = true;
      this.lane = "socket";
      socket.onerror = null;
      socket.onclose = () => this.lost(REASONS.socketClosed);
      socket.onmessage = (event) => {
        this.attempt = 0; // it answers, so the next loss starts patiently anew
        if (event.data instanceof ArrayBuffer) this.events.onFrame(event.data);
      };
      this.events.onLane("socket", "");
    };
  }

  private failed(index: number): void {
    this.world.clearTimeout(this.timer);
    if (this.closed) return;
    if (index + 1 < this.urls.length) this.tryUrl(index + 1);
    else this.retryLater();
  }

  private lost(reason: string): void {
    this.drop(reason);
    this.retryLater();
  }

  private retryLater(): void {
    const wait = backOffMs(this.attempt++, this.everOpened);
    if (wait === null || this.closed) return;
    this.timer = this.world.setTimeout(() => this.tryUrl(0), wait);
  }

  private drop(reason: string): void {
    this.world.clearTimeout(this.timer);
    if (this.socket) this.release(this.socket);
    this.socket = null;
    if (this.lane === "socket") {
      this.lane = "comm";
      this.events.onLane("comm", reason);
    }
  }

  private release(socket: SocketLike): void {
    socket.onopen = socket.onclose = socket.onerror = socket.onmessage = null;
    try {
      socket.close();
    } catch {
      // closing one that never opened may throw; it is gone either way
    }
  }
}
