// What a host hands over as a binary buffer. JupyterLab gives views; others lists, bytes in JSON or base64.

const MAX_BYTES = 8 << 20;

/** A copy of the bytes, or null for what is no buffer. */
export function bufferOf(value: unknown): ArrayBuffer | null {
  if (value instanceof ArrayBuffer) return value.slice(0);
  if (ArrayBuffer.isView(value)) return part(value.buffer as ArrayBuffer, value.byteOffset, value.byteLength);
  if (typeof value === "string") return fromBase64(value);
  if (typeof value !== "object" || value === null) return null;
  const { buffer, byteOffset, byteLength } = value as { buffer?: unknown; byteOffset?: number; byteLength?: number };
  if (buffer instanceof ArrayBuffer) return part(buffer, byteOffset ?? 0, byteLength ?? buffer.byteLength);
  return fromNumbers(Array.isArray(value) ? value : Object.values(value));
}

function part(buffer: ArrayBuffer, from: number, size: number): ArrayBuffer {
  return buffer.slice(from, from + size);
}

function fromNumbers(numbers: unknown[]): ArrayBuffer | null {
  const bytes = numbers.length > 0 && numbers.length <= MAX_BYTES && numbers.every((n) => Number.isInteger(n) && (n as number) >= 0 && (n as number) < 256);
  return bytes ? Uint8Array.from(numbers as number[]).buffer : null;
}

function fromBase64(text: string): ArrayBuffer | null {
  try {
    return text ? Uint8Array.from(atob(text), (char) => char.charCodeAt(0)).buffer : null;
  } catch {
    return null;
  }
}
