// Every word that a person reads or hears read out, in one place. What follows from the kernel comes in its own words.

import type { MediaKind } from "./media";

export const STATES = {
  disconnected: "Disconnected",
  connecting: "Connecting",
  elsewhere: "In use elsewhere",
  starting: "Starting",
  stalled: "Stalled",
  waiting: "Waiting",
  live: "Live",
  closed: "Closed",
  stopped: "Stopped",
  ready: "Ready",
} as const;

/** Microphone and camera in the status line. */
export const DEVICES = {
  on: (kind: MediaKind) => `${kind} on`,
  off: (kind: MediaKind) => `${kind} off`,
  denied: (kind: MediaKind) => `${kind} refused`,
  missing: (kind: MediaKind) => `no ${kind} found`,
  busy: (kind: MediaKind) => `${kind} in use by another program`,
  unavailable: (kind: MediaKind) => `${kind} not available here`,
  prompt: (kind: MediaKind) => `${kind}: waiting for your permission`,
} as const;

export const STATUS = {
  waitingForKernel: "waiting for the kernel to answer",
  lost: (reason: string) => `${reason || "the kernel is gone"}; run the cell again`,
  silent: "the kernel does not answer: a cell may be keeping it busy",
  demo: "demo voice speaking",
  shared: "notebook shared: cells, outputs, errors",
  trip: (ms: number) => `, ${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms round trip`,
  lane: (lane: string, trip: string, reason: string) => `${lane} lane${trip}${reason && ` (${reason})`}`,
  compute: (ms: number) => `${Math.round(ms)} ms a tick`,
  dropped: (n: number) => `${n} dropped`,
  missed: (n: number) => `${n} missed`,
  between: "  ·  ",
} as const;

/** Why nothing happens on the lanes. */
export const REASONS = {
  socketClosed: "the socket closed",
  socketSilent: "the socket no longer answered",
  widgetClosed: "the kernel closed this widget",
  kernelGone: "the kernel was restarted or this widget was closed there",
  unknownFault: "the kernel reported an error",
  noDemo: "the kernel sent no demo voice",
  noStream: "the widget given as source holds no media stream",
  noEngine: "imkit: this view has no engine; run the cell again",
} as const;

export const HINTS = {
  insecure:
    "Microphone and camera need a secure page, and this one is plain http from another machine. " +
    "Open the notebook over https, or through a tunnel: ssh -L 8888:localhost:8888 the-machine, then http://localhost:8888. Until then you can type and read.",
  vscode: "VS Code gives its notebooks no microphone and no camera. You can type, read and listen here.",
  frame: "The page around this notebook allows it no microphone and no camera. You can type, read and listen here.",
  unsupported: "This browser gives pages no microphone and no camera. You can type, read and listen here.",
  page: " To talk, open the capture page: the kernel serves it to browsers on its own machine.",
  noPage: " To talk, open the notebook in JupyterLab in a browser.",
  pageOpen: "Open the capture page",
  pageGone: "Close this page, and open it again from the notebook.",
  refused: (kinds: readonly MediaKind[]) =>
    `The browser refuses the ${kinds.join(" and the ")}. To allow: click the icon left of the page's address, set it to Allow, then press its button here again. Typing works meanwhile.`,
  soundBlocked:
    "This page's sound does not run, so nothing is heard and nothing is said. Press Turn sound on. If that changes nothing, " +
    "this machine gives the browser nowhere to play sound: Firefox needs a place for it even to listen.",
  noMicrophone: "No microphone found. Type below, or press Demo voice.",
} as const;

export const VIEW = {
  session: "imkit live session",
  live: "imkit live view",
  page: "imkit capture page",
  start: "Start",
  stop: "Stop",
  use: "Use here",
  sound: "Turn sound on",
  demo: "Play demo voice",
  stopDemo: "Stop demo voice",
  demoTitle: "A bundled voice asks a question through the microphone's road; needs no microphone",
  send: "Send",
  message: "Message to the model",
  placeholder: "Type to the model, Enter sends",
  draft: "Share my draft while typing",
  draftTitle: "The model sees your text grow before you send it",
  speakers: "Speakers",
  speakersTitle: "Loudspeakers instead of headphones: the model's voice is turned down so that the microphone hears less of it",
  share: "Share what cells do with the model",
  shareTitle: "The model is told which cells run, what they print and give, and what goes wrong, from the next cell on",
  shared: "The notebook is shared: the model is told of cells, outputs and errors",
  level: "Microphone level",
  levelIn: (db: number) => (db <= -60 ? "silent" : `${db} dB`),
  preview: "Camera preview",
  cameraOff: "camera off",
  cameraRefused: "camera refused",
  status: "Status",
  device: { microphone: "Microphone", camera: "Camera" },
  deviceState: (name: string, on: boolean) => `${name} ${on ? "on" : "off"}`,
  deviceTitle: (kind: MediaKind, on: boolean, granted: string) => `${on ? "Switch off" : "Switch on"} the ${kind}${granted && ` (granted: ${granted})`}`,
  grantedPicture: (width?: number, height?: number) => `${width} x ${height}`,
  grantedSound: (echo: unknown, noise: unknown, gain: unknown) =>
    `echo cancellation ${onOff(echo)}, noise suppression ${onOff(noise)}, gain control ${onOff(gain)}`,
  which: (kind: MediaKind) => `Which ${kind}`,
  standard: (kind: MediaKind) => `Default ${kind}`,
} as const;

function onOff(value: unknown): string {
  return value === true ? "on" : value === false ? "off" : "unknown";
}

export const TALK = {
  log: "Transcript of both sides",
  captions: "Captions",
  empty: "What you say and what the model says appears here.",
  who: { user: "you", model: "model", note: "" },
  typed: "typed",
  unheard: "interrupted before it sounded",
  said: (who: string, text: string) => (who ? `${who}: ${text}` : text),
  made: (title: string) => `made ${title}`,
} as const;

export const STRIP = {
  lanes: {
    microphone: "microphone", heard: "heard", camera: "camera", typed: "typed", floor: "floor",
    says: "says", voice: "voice", calls: "calls", deadline: "deadline",
  },
  name: "Live strip: the last 30 seconds, one column per micro-turn of 200 milliseconds. Left and right arrow read out one micro-turn",
  nothing: "no micro-turn yet",
  cancel: (name: string) => `cancel ${name}`,
  tick: (time: string, i: number) => `${time} tick ${i}`,
  level: (db: number) => `in ${db} dB`,
  heard: (text: string) => `heard "${text}"`,
  typed: (text: string) => `typed "${text}"`,
  says: (text: string) => `says "${text}"`,
  call: (name: string) => `call ${name}`,
  event: (kind: string, text: string) => `${kind}: ${text}`,
  computed: (ms: string, late: boolean) => `${ms} ms${late ? ", missed" : ""}`,
} as const;

export const APPROVAL = {
  allow: "Allow once",
  refuse: "Refuse",
  ask: (tool: string) => `May ${tool} run?`,
  before: "May ",
  after: " run with exactly this?",
  arguments: "Arguments",
  none: "no arguments",
  is: " = ",
  left: (seconds: number) => `Refused by itself in ${seconds} s`,
  long: (characters: number) => `${characters} characters in all: scroll to read them.`,
} as const;

/** Generated cells. */
export const SURFACE = {
  name: "generated cell",
  pin: "Pin",
  pinned: "Pinned",
  pinTitle: "Keep a picture of this in the notebook",
  code: "Code",
  codeTitle: "Python that makes this again",
  close: "Close",
  copy: "Copy",
  copied: "Copied",
  notAllowed: "Not allowed",
  insert: "Insert cell",
  progress: "progress",
  percent: (share: number) => `${Math.round(share * 100)} %`,
  picture: "Picture on its way",
  notShown: (what: string) => `Not shown: ${what}`,
} as const;
