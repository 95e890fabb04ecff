// Microphone and camera: asking for them, and saying in words what came of it.

import { obstacleHere } from "./host";
import { REASONS } from "./strings";

export type MediaKind = "microphone" | "camera";
export type Permission = "granted" | "denied" | "prompt" | "missing" | "unavailable" | "busy";

export interface Opened {
  track: MediaStreamTrack | null;
  permission: Permission;
}

export const FRAME_WIDTH = 320;
export const FRAME_HEIGHT = 240;

function constraintsOf(kind: MediaKind, deviceId: string): MediaTrackConstraints {
  const device = deviceId ? { deviceId: { exact: deviceId } } : {};
  return kind === "microphone"
    ? { ...device, echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 }
    : { ...device, width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 15 } };
}

export function permissionOf(error: unknown): Permission {
  switch ((error as DOMException | undefined)?.name) {
    case "NotAllowedError":
    case "SecurityError":
      return "denied";
    case "NotFoundError":
    case "OverconstrainedError":
      return "missing";
    case "NotReadableError":
    case "AbortError":
      return "busy";
    default:
      return "missing";
  }
}

/** Asks for what is wanted, at once where possible so that there is one prompt; each alone where that fails. */
export async function openTracks(wanted: Partial<Record<MediaKind, string>>): Promise<Partial<Record<MediaKind, Opened>>> {
  const kinds = (Object.keys(wanted) as MediaKind[]).filter((kind) => wanted[kind] !== undefined);
  if (kinds.length === 0) return {};
  if (obstacleHere()) return Object.fromEntries(kinds.map((kind) => [kind, { track: null, permission: "unavailable" }]));
  if (kinds.length > 1) {
    try {
      const stream = await ask(wanted);
      return {
        microphone: { track: stream.getAudioTracks()[0] ?? null, permission: "granted" },
        camera: { track: stream.getVideoTracks()[0] ?? null, permission: "granted" },
      };
    } catch {
      // one of them may still be had
    }
  }
  const opened: Partial<Record<MediaKind, Opened>> = {};
  for (const kind of kinds) {
    try {
      const stream = await ask({ [kind]: wanted[kind] });
      opened[kind] = { track: stream.getTracks()[0] ?? null, permission: "granted" };
    } catch (error) {
      opened[kind] = { track: null, permission: permissionOf(error) };
    }
  }
  return opened;
}

function ask(wanted: Partial<Record<MediaKind, string>>): Promise<MediaStream> {
  const constraints: MediaStreamConstraints = {};
  if (wanted.microphone !== undefined) constraints.audio = constraintsOf("microphone", wanted.microphone);
  if (wanted.camera !== undefined) constraints.video = constraintsOf("camera", wanted.camera);
  return navigator.mediaDevices.getUserMedia(constraints);
}

/** What the browser says without asking the person. */
export async function knownPermission(kind: MediaKind): Promise<Permission> {
  if (obstacleHere()) return "unavailable";
  try {
    return (await navigator.permissions.query({ name: kind as PermissionName })).state;
  } catch {
    return "prompt"; // browsers that do not tell
  }
}

/** Tracks of a stream that another widget owns: cloned, so that stopping ours leaves theirs. */
export async function tracksOfWidget(manager: { get_model(id: string): Promise<any> }, reference: string): Promise<MediaStream> {
  const model = await manager.get_model(reference.replace(/^IPY_MODEL_/, ""));
  const stream: unknown = await model?.stream;
  if (!(stream instanceof MediaStream)) throw new Error(REASONS.noStream);
  return new MediaStream(stream.getTracks().map((track) => track.clone()));
}

/** Still pictures of the camera for the model: JPEG, at most 320 x 240, one at a time. */
export class Stills {
  private readonly video = document.createElement("video");
  private readonly canvas = document.createElement("canvas");
  private busy = false;

  constructor(track: MediaStreamTrack) {
    this.video.muted = true;
    this.video.playsInline = true;
    this.video.srcObject = new MediaStream([track]);
    this.video.play().catch(() => {}); // a track that ends meanwhile; grab() then finds no picture
  }

  /** Null while the camera has no picture yet or the last one is still being encoded. */
  async grab(): Promise<Uint8Array | null> {
    const { videoWidth, videoHeight } = this.video;
    if (this.busy || !videoWidth || !videoHeight) return null;
    this.busy = true;
    try {
      const scale = Math.min(1, FRAME_WIDTH / videoWidth, FRAME_HEIGHT / videoHeight);
      this.canvas.width = Math.max(1, Math.round(videoWidth * scale));
      this.canvas.height = Math.max(1, Math.round(videoHeight * scale));
      this.canvas.getContext("2d")?.drawImage(this.video, 0, 0, this.canvas.width, this.canvas.height);
      const blob = await new Promise<Blob | null>((done) => this.canvas.toBlob(done, "image/jpeg", 0.7));
      return blob ? new Uint8Array(await blob.arrayBuffer()) : null;
    } finally {
      this.busy = false;
    }
  }

  close(): void {
    this.video.pause();
    this.video.srcObject = null;
  }
}
