import { Relay, type RelayOrder } from "./relay";

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<RelayOrder>) => void) | null;
  postMessage(message: unknown, transfer: Transferable[]): void;
  close(): void;
};

const relay = new Relay(
  {
    openSocket: (url) => new WebSocket(url),
    setTimeout: (call, ms) => setTimeout(call, ms),
    clearTimeout: (timer) => clearTimeout(timer),
    setInterval: (call, ms) => setInterval(call, ms),
    clearInterval: (timer) => clearInterval(timer),
    nowMs: () => performance.now(),
  },
  (event, transfer) => scope.postMessage(event, transfer ?? []),
);

scope.onmessage = (event) => {
  relay.take(event.data);
  if (event.data.type === "close") scope.close();
};
