// The status line and the hints, in words. Pure.

import type { Obstacle } from "./host";
import type { LaneName } from "./lanes";
import type { MediaKind, Permission } from "./media";
import { DEVICES, HINTS, STATES, STATUS } from "./strings";

export interface StatusFacts {
  link: "connecting" | "connected" | "lost";
  state: string;
  reason: string;
  starting: boolean;
  running: boolean;
  mine: boolean;
  silentKernel: boolean;
  soundBlocked: boolean; // the page's sound waits for a click, or for a device to play it
  obstacle: Obstacle; // why the page cannot capture, "" where it can
  pageUrl: string; // where the kernel serves a page that can, "" for nowhere
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
  if (f.link === "lost") return { text: STATES.disconnected, tone: "bad" };
  if (f.link === "connecting") return { text: STATES.connecting, tone: "calm" };
  if (!f.mine) return { text: STATES.elsewhere, tone: "calm" };
  if (f.starting) return { text: STATES.starting, tone: "calm" };
  if (f.running && (f.silentKernel || f.state === "stalled")) return { text: STATES.stalled, tone: "warn" };
  if (f.running) return { text: f.state === "waiting" || f.state === "idle" ? STATES.waiting : STATES.live, tone: "live" };
  if (f.state === "closed") return { text: STATES.closed, tone: "calm" };
  return { text: f.state === "stopped" ? STATES.stopped : STATES.ready, tone: "calm" };
}

/** What a session does, for a view that only looks on. */
export function onlooking(link: StatusFacts["link"], state: string): { text: string; tone: Tone } {
  if (link === "lost") return { text: STATES.disconnected, tone: "bad" };
  if (link === "connecting") return { text: STATES.connecting, tone: "calm" };
  switch (state) {
    case "live":
    case "waiting":
      return { text: STATES[state], tone: "live" };
    case "stalled":
      return { text: STATES.stalled, tone: "warn" };
    case "stopped":
    case "closed":
      return { text: STATES[state], tone: "calm" };
    default:
      return { text: STATES.ready, tone: "calm" };
  }
}

export function deviceWords(kind: MediaKind, d: StatusFacts["microphone"], running: boolean): string {
  if (d.on) return DEVICES.on(kind);
  if (!running) return "";
  if (!d.wanted) return DEVICES.off(kind);
  switch (d.permission) {
    case "denied":
    case "missing":
    case "busy":
    case "unavailable":
      return DEVICES[d.permission](kind);
    default:
      return DEVICES.prompt(kind);
  }
}

/** The facts of the status line, each a few words. */
export function statusWords(f: StatusFacts): string[] {
  const words: string[] = [];
  if (f.link === "connecting") words.push(STATUS.waitingForKernel);
  if (f.link === "lost") words.push(STATUS.lost(f.reason));
  if (f.link === "connected" && f.silentKernel) words.push(STATUS.silent);
  else if (f.link === "connected" && f.reason) words.push(f.reason);
  if (f.running || f.starting) {
    words.push(deviceWords("microphone", f.microphone, true), deviceWords("camera", f.camera, true));
    if (f.demo) words.push(STATUS.demo);
  }
  if (f.link === "connected" && f.recording) words.push(f.recording);
  if (f.link === "connected" && f.inside) words.push(f.inside);
  if (f.link === "connected" && f.notebook) words.push(STATUS.shared);
  if (f.link === "connected") {
    words.push(STATUS.lane(f.lane, f.rttMs === null ? "" : STATUS.trip(f.rttMs), f.lane === "comm" ? f.laneReason : ""));
    if (f.running && f.computeMs !== null) words.push(STATUS.compute(f.computeMs));
    if (f.running || f.dropped || f.missed) words.push(STATUS.dropped(f.dropped), STATUS.missed(f.missed));
  }
  return words.filter((word) => word !== "");
}

/** What the person can do about it, or "" when nothing is in the way. */
export function hint(f: StatusFacts): string {
  if (f.obstacle === "insecure") return HINTS.insecure;
  if (f.obstacle) return HINTS[f.obstacle] + (f.pageUrl ? HINTS.page : HINTS.noPage);
  const refused = (["microphone", "camera"] as const).filter((kind) => f[kind].wanted && !f[kind].on && f[kind].permission === "denied");
  if (f.running && f.soundBlocked) return HINTS.soundBlocked;
  if (f.running && refused.length > 0) return HINTS.refused(refused);
  if (f.running && f.microphone.wanted && !f.microphone.on && f.microphone.permission === "missing") return HINTS.noMicrophone;
  return "";
}
