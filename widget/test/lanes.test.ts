import { beforeEach, describe, expect, it } from "vitest";
import { isLoopback } from "../src/host";
import { backOffMs, Lanes, type SocketLike, socketUrls } from "../src/lanes";

class FakeSocket implements SocketLike {
  binaryType = "";
  bufferedAmount = 0;
  readyState = 0;
  onopen: SocketLike["onopen"] = null;
  onclose: SocketLike["onclose"] = null;
  onerror: SocketLike["onerror"] = null;
  onmessage: SocketLike["onmessage"] = null;
  sent: ArrayBuffer[] = [];
  closed = false;
  constructor(readonly url: string) {}
  send(data: ArrayBuffer) {
    this.sent.push(data);
  }
  close() {
    this.closed = true;
    this.readyState = 3;
  }
  open() {
    this.readyState = 1;
    this.onopen?.({});
  }
  lose() {
    this.readyState = 3;
    this.onclose?.({});
  }
}

class FakeTime {
  now = 0;
  private timers: { at: number; call: () => void; id: number }[] = [];
  private id = 0;
  setTimeout = (call: () => void, ms: number) => {
    this.timers.push({ at: this.now + ms, call, id: ++this.id });
    return this.id;
  };
  clearTimeout = (id: number) => {
    this.timers = this.timers.filter((timer) => timer.id !== id);
  };
  get waiting() {
    return this.timers.length;
  }
  pass(ms: number) {
    const until = this.now + ms;
    for (;;) {
      const next = this.timers.filter((t) => t.at <= until).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.clearTimeout(next.id);
      this.now = next.at;
      next.call();
    }
    this.now = until;
  }
}

let time: FakeTime;
let sockets: FakeSocket[];
let comm: ArrayBuffer[];
let changes: string[];
let received: ArrayBuffer[];
let lanes: Lanes;
const frame = () => new ArrayBuffer(24);

beforeEach(() => {
  time = new FakeTime();
  sockets = [];
  comm = [];
  changes = [];
  received = [];
  lanes = new Lanes(
    {
      openSocket: (url) => {
        const socket = new FakeSocket(url);
        sockets.push(socket);
        return socket;
      },
      setTimeout: time.setTimeout,
      clearTimeout: time.clearTimeout,
    },
    { onLane: (lane) => changes.push(lane), onFrame: (data) => received.push(data), toComm: (data) => comm.push(data) },
  );
});

describe("choice", () => {
  it("is the comm until the socket is open, then the socket", () => {
    lanes.connect(["ws://a"]);
    lanes.send(frame());
    expect(comm.length).toBe(1);
    sockets[0]!.open();
    lanes.send(frame());
    expect([lanes.lane, comm.length, sockets[0]!.sent.length]).toEqual(["socket", 1, 1]);
    sockets[0]!.onmessage?.({ data: frame() });
    expect(received.length).toBe(1);
  });

  it("tries the second way when the first does not open in 800 ms, and the comm stays when none does", () => {
    lanes.connect(["ws://direct", "ws://proxy"]);
    time.pass(799);
    expect(sockets.length).toBe(1);
    time.pass(1);
    expect(sockets.map((s) => s.url)).toEqual(["ws://direct", "ws://proxy"]);
    expect(sockets[0]!.closed).toBe(true);
    sockets[1]!.lose();
    expect(lanes.lane).toBe("comm");
    time.pass(600_000);
    expect(sockets.length).toBe(2 * 4); // three more rounds, then it is let be
    expect(time.waiting).toBe(0);
    expect(changes).toEqual([]);
  });

  it("a socket that opens after its time is not used", () => {
    lanes.connect(["ws://a"]);
    const open = sockets[0]!.onopen;
    time.pass(800);
    open?.({});
    expect(lanes.lane).toBe("comm");
  });

  it("an opening that throws counts as one that fails", () => {
    const strict = new Lanes(
      { openSocket: () => { throw new Error("refused by policy"); }, setTimeout: time.setTimeout, clearTimeout: time.clearTimeout },
      { onLane: (lane) => changes.push(lane), onFrame: () => {}, toComm: (data) => comm.push(data) },
    );
    strict.connect(["ws://a"]);
    strict.send(frame());
    expect(comm.length).toBe(1);
    time.pass(600_000);
    expect(time.waiting).toBe(0);
  });
});

describe("loss", () => {
  it("falls back to the comm at once and comes back with growing patience", () => {
    lanes.connect(["ws://a"]);
    sockets[0]!.open();
    sockets[0]!.lose();
    lanes.send(frame());
    expect([lanes.lane, comm.length]).toEqual(["comm", 1]);
    time.pass(499);
    expect(sockets.length).toBe(1);
    time.pass(1);
    expect(sockets.length).toBe(2);
    sockets[1]!.open();
    expect(changes).toEqual(["socket", "comm", "socket"]);
  });

  it("a socket found closing is left, and no frame is lost in it", () => {
    lanes.connect(["ws://a"]);
    sockets[0]!.open();
    sockets[0]!.readyState = 2;
    expect(lanes.send(frame())).toBe(true);
    expect([comm.length, sockets[0]!.sent.length, lanes.lane]).toEqual([1, 0, "comm"]);
  });

  it("a socket that is full refuses", () => {
    lanes.connect(["ws://a"]);
    sockets[0]!.open();
    sockets[0]!.bufferedAmount = 2 << 20;
    expect(lanes.send(frame())).toBe(false);
  });

  it("nothing is left after close", () => {
    lanes.connect(["ws://a"]);
    sockets[0]!.open();
    lanes.close();
    time.pass(600_000);
    expect([sockets.length, sockets[0]!.closed, time.waiting]).toEqual([1, true, 0]);
  });
});

it("waiting doubles up to a bound and ends", () => {
  expect([0, 1, 2, 3].map((n) => backOffMs(n, true))).toEqual([500, 1000, 2000, 4000]);
  expect(backOffMs(9, true)).toBe(15_000);
  expect(backOffMs(10, true)).toBeNull();
  expect(backOffMs(3, false)).toBeNull();
});

it("addresses: direct only from loopback, else through the server's proxy", () => {
  const address = { port: 41234, token: "a b", path: "/lane" };
  const page = { protocol: "http:", hostname: "localhost", host: "localhost:8888", baseUrl: "/user/ann/" };
  expect(socketUrls(address, page)).toEqual(["ws://127.0.0.1:41234/lane?t=a%20b", "ws://localhost:8888/user/ann/proxy/41234/lane?t=a%20b"]);
  const far = { protocol: "https:", hostname: "hub.org", host: "hub.org", baseUrl: "/" };
  expect(socketUrls(address, far)).toEqual(["wss://hub.org/proxy/41234/lane?t=a%20b"]);
  expect(["127.0.0.1", "127.8.0.1", "[::1]", "lab.localhost"].every(isLoopback)).toBe(true);
  expect(["127.0.0.1.evil.org", "localhost.evil.org", "example.org", "10.0.0.1"].some(isLoopback)).toBe(false);
});
