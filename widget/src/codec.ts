// The frame both lanes carry: a 24-byte little-endian header, then the payload.
//
//   u8 version | u8 kind | u16 flags | u32 epoch | u32 seq | u32 payload_bytes | f64 time_s

import { INPUT_SAMPLES } from "./pcm";

export const VERSION = 1;
export const HEADER_BYTES = 24;
const MAX_UP_BYTES = 1 << 20;
const MAX_DOWN_BYTES = 4 << 20;

export const Kind = {
  Audio: 1,
  Frame: 2,
  Text: 3,
  ControlUp: 4,
  Speech: 16,
  Moment: 17,
  ControlDown: 18,
  Demo: 19,
} as const;
export type Kind = (typeof Kind)[keyof typeof Kind];
const KINDS = new Set<number>(Object.values(Kind));

export const FLAG_MICROPHONE_OFF = 1;
export const FLAG_GAP = 2;

export type Json = { [key: string]: unknown };

export interface Frame {
  kind: Kind;
  flags: number;
  epoch: number;
  seq: number;
  timeS: number;
  payload: Uint8Array;
  /** The parsed payload of TEXT, CONTROL and MOMENT frames; null for the others. */
  json: Json | null;
}

/** A frame that does not keep the format. `field` names what is wrong. */
export class FrameError extends Error {
  constructor(
    readonly field: "header" | "version" | "kind" | "payload_bytes" | "time_s" | "payload",
    reason: string,
  ) {
    super(`${field}: ${reason}`);
    this.name = "FrameError";
  }
}

export interface FrameFields {
  kind: Kind;
  payload?: Uint8Array | ArrayBuffer | Int16Array | Json;
  flags?: number;
  epoch?: number;
  seq?: number;
  timeS?: number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

function payloadBytes(payload: FrameFields["payload"]): Uint8Array {
  if (payload === undefined) return new Uint8Array(0);
  if (payload instanceof Uint8Array) return payload;
  if (payload instanceof ArrayBuffer) return new Uint8Array(payload);
  if (payload instanceof Int16Array) return new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength);
  return encoder.encode(JSON.stringify(payload));
}

export function encodeFrame(fields: FrameFields): ArrayBuffer {
  const payload = payloadBytes(fields.payload);
  const buffer = new ArrayBuffer(HEADER_BYTES + payload.byteLength);
  const view = new DataView(buffer);
  view.setUint8(0, VERSION);
  view.setUint8(1, fields.kind);
  view.setUint16(2, fields.flags ?? 0, true);
  view.setUint32(4, fields.epoch ?? 0, true);
  view.setUint32(8, fields.seq ?? 0, true);
  view.setUint32(12, payload.byteLength, true);
  view.setFloat64(16, fields.timeS ?? 0, true);
  new Uint8Array(buffer, HEADER_BYTES).set(payload);
  return buffer;
}

/** Decodes one frame. The payload is a copy: a received buffer may be a view into a bigger one. */
export function decodeFrame(data: ArrayBuffer | ArrayBufferView): Frame {
  const view = ArrayBuffer.isView(data)
    ? new DataView(data.buffer, data.byteOffset, data.byteLength)
    : new DataView(data);
  if (view.byteLength < HEADER_BYTES) {
    throw new FrameError("header", `${view.byteLength} bytes, expected at least ${HEADER_BYTES}`);
  }
  const version = view.getUint8(0);
  if (version !== VERSION) throw new FrameError("version", `${version}, expected ${VERSION}`);
  const kind = view.getUint8(1);
  if (!KINDS.has(kind)) throw new FrameError("kind", `${kind} is not known`);
  const size = view.getUint32(12, true);
  const limit = kind < Kind.Speech ? MAX_UP_BYTES : MAX_DOWN_BYTES;
  if (size > limit) throw new FrameError("payload_bytes", `${size}, the limit is ${limit}`);
  if (size !== view.byteLength - HEADER_BYTES) {
    throw new FrameError("payload_bytes", `header says ${size}, frame holds ${view.byteLength - HEADER_BYTES}`);
  }
  const timeS = view.getFloat64(16, true);
  if (!Number.isFinite(timeS) || timeS < 0) throw new FrameError("time_s", `${timeS}, expected a time from 0`);
  const payload = new Uint8Array(size);
  payload.set(new Uint8Array(view.buffer, view.byteOffset + HEADER_BYTES, size));
  return {
    kind: kind as Kind,
    flags: view.getUint16(2, true),
    epoch: view.getUint32(4, true),
    seq: view.getUint32(8, true),
    timeS,
    payload,
    json: checkPayload(kind as Kind, payload),
  };
}

function checkPayload(kind: Kind, payload: Uint8Array): Json | null {
  switch (kind) {
    case Kind.Audio:
      if (payload.byteLength !== 2 * INPUT_SAMPLES) {
        throw new FrameError("payload", `${payload.byteLength} bytes of audio, expected ${2 * INPUT_SAMPLES}`);
      }
      return null;
    case Kind.Speech:
    case Kind.Demo:
      if (payload.byteLength % 2 !== 0) throw new FrameError("payload", "16-bit samples in an odd number of bytes");
      return null;
    case Kind.Frame:
      if (payload[0] !== 0xff || payload[1] !== 0xd8) throw new FrameError("payload", "does not start like a JPEG");
      return null;
    case Kind.Text: {
      const json = parseObject(payload);
      if (typeof (json.text ?? json.draft) !== "string") throw new FrameError("payload", "expected a text or a draft");
      return json;
    }
    case Kind.ControlUp:
    case Kind.ControlDown: {
      const json = parseObject(payload);
      if (typeof json.type !== "string") throw new FrameError("payload", "a control message needs a type");
      return json;
    }
    case Kind.Moment:
      return parseObject(payload);
  }
}

function parseObject(payload: Uint8Array): Json {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(payload));
  } catch {
    throw new FrameError("payload", "is not JSON in UTF-8");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new FrameError("payload", "expected a JSON object");
  }
  return value as Json;
}
