// A socket that stands where a notebook has the comm, for the kernel's own page.

type Listener = (...args: any[]) => void;

export interface PageSocket {
  binaryType: string;
  readonly readyState: number;
  onopen: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  send(data: ArrayBuffer): void;
}

const OPENING = 0; // WebSocket.CONNECTING
const OPEN = 1; // WebSocket.OPEN

/** As much of an anywidget model as the engine uses. Buffers travel bare: each is a frame of the wire protocol. */
export class SocketModel {
  private readonly listeners = new Map<string, Set<Listener>>();
  private readonly early: ArrayBuffer[] = []; // said before the socket was open

  constructor(
    private readonly traits: Record<string, unknown>,
    private readonly socket: PageSocket,
  ) {
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      for (const data of this.early.splice(0)) socket.send(data);
    };
    socket.onmessage = (event) => {
      if (event.data instanceof ArrayBuffer) this.tell("msg:custom", { imkit: 1 }, [new DataView(event.data)]);
    };
    socket.onclose = () => this.tell("comm:close");
  }

  get(name: string): unknown {
    return this.traits[name] ?? null;
  }

  send(_content: unknown, _callbacks?: unknown, buffers: ArrayBuffer[] = []): void {
    if (this.socket.readyState === OPENING) this.early.push(...buffers);
    else if (this.socket.readyState === OPEN) for (const data of buffers) this.socket.send(data);
    else throw new Error("the socket is closed"); // the link says it in its own words
  }

  on(name: string, listener: Listener): void {
    this.listeners.set(name, (this.listeners.get(name) ?? new Set()).add(listener));
  }

  off(name: string, listener: Listener): void {
    this.listeners.get(name)?.delete(listener);
  }

  private tell(name: string, ...args: unknown[]): void {
    for (const listener of [...(this.listeners.get(name) ?? [])]) listener(...args);
  }
}
