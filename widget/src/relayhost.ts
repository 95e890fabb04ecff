// Starts the relay in a Web Worker from a Blob URL; where the page forbids that, in the page itself.

import workerSource from "inline:./relay.worker.ts";
import { Relay, type RelayEvent, type RelayOrder } from "./relay";

export interface RelayHost {
  readonly inWorker: boolean;
  post(order: RelayOrder, transfer?: Transferable[]): void;
  close(): void;
}

export function startRelay(onEvent: (event: RelayEvent) => void): RelayHost {
  try {
    return inWorker(onEvent);
  } catch {
    return inPage(onEvent);
  }
}

function inWorker(onEvent: (event: RelayEvent) => void): RelayHost {
  const url = URL.createObjectURL(new Blob([workerSource], { type: "text/javascript" }));
  let worker: Worker | null = null;
  let substitute: RelayHost | null = null;
  try {
    worker = new Worker(url);
  } finally {
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }
  const early: RelayOrder[] = []; // what a worker that never started must not swallow
  let proven = false;
  worker.onmessage = (event: MessageEvent<RelayEvent>) => {
    proven = true;
    early.length = 0;
    onEvent(event.data);
  };
  worker.onerror = () => {
    if (proven || substitute) return;
    worker?.terminate();
    substitute = inPage(onEvent);
    for (const order of early) substitute.post(order);
  };
  return {
    get inWorker() {
      return substitute === null;
    },
    post(order, transfer = []) {
      if (substitute) return substitute.post(order);
      if (!proven && transfer.length === 0 && early.length < 50) early.push(order);
      worker?.postMessage(order, transfer);
    },
    close() {
      substitute?.close();
      worker?.postMessage({ type: "close" } satisfies RelayOrder);
      setTimeout(() => worker?.terminate(), 500); // time for the last frames
    },
  };
}

function inPage(onEvent: (event: RelayEvent) => void): RelayHost {
  const relay = new Relay(
    {
      openSocket: (url) => new WebSocket(url),
      setTimeout: (call, ms) => setTimeout(call, ms),
      clearTimeout: (timer) => clearTimeout(timer),
      setInterval: (call, ms) => setInterval(call, ms),
      clearInterval: (timer) => clearInterval(timer),
      nowMs: () => performance.now(),
    },
    onEvent,
  );
  return { inWorker: false, post: (order) => relay.take(order), close: () => relay.take({ type: "close" }) };
}
