// The status line and the hints, in words. Pure.

import type { LaneName } from "./lanes";
import type { Permission } from "./media";

export interface StatusFacts {
  link: "connecting" | "connected" | "lost";
  state: string;
  reason: string;
  starting: boolean;
  running: boolean;
  mine: boolean;
  silentKernel: boolean;
  insecure: boolean;
  microphone: { wanted: boolean; on: boolean; permission: Permission };
  camera: { wanted: boolean; on: boolean; permission: Permission };
  demo: boolean;
  recording: string; // what the kernel says of its recording, "" for none
  inside: string; // what looks into the model or changes it, "" for nothing
  notebook: boolean; // whether the cells of this notebook are shared with the session
  lane: LaneName;
  laneReason: string;
  rttMs: number | null;
  computeMs: number | null;
  dropped: number;
  missed: number;
}

export type Tone = "calm" | "live" | "warn" | "bad";

export function headline(f: StatusFacts): { text: string; tone: Tone } {
  if (f.link === "lost") return { text: "Disconnected", tone: "bad" };
  if (f.link === "connecting") return { text: "Connecting", tone: "calm" };
  if (!f.mine) return { text: "In use elsewhere", tone: "calm" };
  if (f.starting) return { text: "Starting", tone: "calm" };
  if (f.running && (f.silentKernel || f.state === "stalled")) return { text: "Stalled", tone: "warn" };
  if (f.running) return { text: f.state === "waiting" || f.state === "idle" ? "Waiting" : "Live", tone: "live" };
  if (f.state === "closed") return { text: "Closed", tone: "calm" };
  return { text: f.state === "stopped" ? "Stopped" : "Ready", tone: "calm" };
}

/** What a session does, for a view that only looks on. */
export function onlooking(link: StatusFacts["link"], state: string): { text: string; tone: Tone } {
  if (link === "lost") return { text: "Disconnected", tone: "bad" };
  if (link === "connecting") return { text: "Connecting", tone: "calm" };
  switch (state) {
    case "live":
      return { text: "Live", tone: "live" };
    case "waiting":
      return { text: "Waiting", tone: "live" };
    case "stalled":
      return { text: "Stalled", tone: "warn" };
    case "stopped":
      return { text: "Stopped", tone: "calm" };
    case "closed":
      return { text: "Closed", tone: "calm" };
    default:
      return { text: "Ready", tone: "calm" };
  }
}

export function deviceWords(name: "microphone" | "camera", d: StatusFacts["microphone"], running: boolean): string {
  if (d.on) return `${name} on`;
  if (!running) return "";
  if (!d.wanted) return `${name} off`;
  switch (d.permission) {
    case "denied":
      return `${name} refused`;
    case "missing":
      return `no ${name} found`;
    case "busy":
      return `${name} in use by another program`;
    case "insecure":
      return `${name} not available here`;
    default:
      return `${name}: waiting for your permission`;
  }
}

/** The facts of the status line, each a few words. */
export function statusWords(f: StatusFacts): string[] {
  const words: string[] = [];
  if (f.link === "connecting") words.push("waiting for the kernel to answer");
  if (f.link === "lost") words.push(`${f.reason || "the kernel is gone"}; run the cell again`);
  if (f.link === "connected" && f.silentKernel) words.push("the kernel does not answer: a cell may be keeping it busy");
  else if (f.link === "connected" && f.reason) words.push(f.reason);
  if (f.running || f.starting) {
    words.push(deviceWords("microphone", f.microphone, true), deviceWords("camera", f.camera, true));
    if (f.demo) words.push("demo voice speaking");
  }
  if (f.link === "connected" && f.recording) words.push(f.recording);
  if (f.link === "connected" && f.inside) words.push(f.inside);
  if (f.link === "connected" && f.notebook) words.push("notebook shared: cells, outputs, errors");
  if (f.link === "connected") {
    const trip = f.rttMs === null ? "" : `, ${f.rttMs < 10 ? f.rttMs.toFixed(1) : Math.round(f.rttMs)} ms round trip`;
    words.push(`${f.lane} lane${trip}${f.lane === "comm" && f.laneReason ? ` (${f.laneReason})` : ""}`);
    if (f.running && f.computeMs !== null) words.push(`${Math.round(f.computeMs)} ms a tick`);
    if (f.running || f.dropped || f.missed) words.push(`${f.dropped} dropped`, `${f.missed} missed`);
  }
  return words.filter((word) => word !== "");
}

/** What the person can do about it, or "" when nothing is in the way. */
export function hint(f: StatusFacts): string {
  if (f.insecure) {
    return (
      "Microphone and camera need a secure page, and this one is plain http from another machine. " +
      "Open the notebook over https, or through a tunnel: ssh -L 8888:localhost:8888 the-machine, then http://localhost:8888. Until then you can type and read."
    );
  }
  const refused = (["microphone", "camera"] as const).filter((kind) => f[kind].wanted && !f[kind].on && f[kind].permission === "denied");
  if (f.running && refused.length > 0) {
    return `The browser refuses the ${refused.join(" and the ")}. To allow: click the icon left of the page's address, set it to Allow, then press its button here again. Typing works meanwhile.`;
  }
  if (f.running && f.microphone.wanted && !f.microphone.on && f.microphone.permission === "missing") {
    return "No microphone found. Type below, or press Demo voice.";
  }
  return "";
}
