// One view of the widget: builds the DOM once, then only brings it up to date with the engine.

import { ApprovalPanel } from "./approval";
import { Captions } from "./captions";
import type { Json } from "./codec";
import { icon, make, press, setText, toggle } from "./dom";
import type { Change, Engine } from "./engine";
import { capturePageUrl } from "./host";
import type { MediaKind } from "./media";
import { PanelCells } from "./panelcells";
import { numberOr, textOr } from "./protocol";
import { Sharing } from "./sharing";
import { headline, hint, type StatusFacts, statusWords } from "./status";
import { HINTS, STATUS, VIEW } from "./strings";
import { loudness } from "./strip";
import { StripBox } from "./stripbox";
import { Talk } from "./talk";
import { followTheme } from "./theme";

const KINDS = ["microphone", "camera"] as const;

export function renderView(engine: Engine, root: HTMLElement, signal: AbortSignal): void {
  const view = new View(engine);
  root.append(view.element);
  const leave = engine.subscribe((change) => view.onChange(change));
  view.attach();
  signal.addEventListener("abort", () => {
    leave();
    view.detach();
    view.element.remove();
  });
}

class View {
  readonly element: HTMLElement;
  private readonly strip: StripBox;
  private readonly talk = new Talk();
  private readonly captions = new Captions();
  private readonly cells = new PanelCells((message) => this.engine.link.control(message));
  private readonly onCell = (message: Json): void => this.cells.take(message);
  private readonly startButton = button("imk-start", () => this.toggleRun());
  private readonly state = make("span", { class: "imk-state", role: "status" });
  private readonly who = make("span", { class: "imk-model" });
  private readonly demoButton = button("imk-demo", () => void this.engine.playDemo());
  private readonly toggles: Record<MediaKind, HTMLButtonElement>;
  private readonly selects: Record<MediaKind, HTMLSelectElement>;
  private readonly meter = make("div", { class: "imk-meter-fill" });
  private readonly meterBox = make("div", {
    class: "imk-meter", role: "meter", "aria-label": VIEW.level, "aria-valuemin": "-60", "aria-valuemax": "0", "aria-valuenow": "-60",
  }, this.meter);
  private readonly preview = make("video", { class: "imk-preview", playsinline: true, "aria-label": VIEW.preview });
  private readonly previewNote = make("span", { class: "imk-preview-note" });
  private readonly advice = make("span", { role: "status" });
  private readonly pageLink = make("a", { class: "imk-page", target: "_blank", rel: "noopener" }, HINTS.pageOpen);
  private readonly hint = make("p", { class: "imk-hint", hidden: true }, this.advice, this.pageLink);
  private readonly takeButton = button("imk-take", () => void this.engine.start());
  private readonly soundButton = button("imk-take", () => void this.engine.resumeSound());
  private readonly input = make("input", {
    class: "imk-input", type: "text", dir: "auto", placeholder: VIEW.placeholder, "aria-label": VIEW.message, autocomplete: "off", maxlength: "4000",
  });
  private readonly draft = toggle(VIEW.draft, VIEW.draftTitle, () => engineDraft(this));
  private readonly speakers = toggle(VIEW.speakers, VIEW.speakersTitle, () => this.engine.setSpeakers(!this.engine.speakers));
  private readonly sharing: Sharing;
  private readonly status = make("div", { class: "imk-status", role: "group", "aria-label": VIEW.status });
  private readonly approvals: ApprovalPanel;
  private due = new Set<Change>();
  private frame = 0;
  private themeless = (): void => {};
  private deviceKey = "";

  constructor(readonly engine: Engine) {
    this.toggles = { microphone: this.deviceToggle("microphone"), camera: this.deviceToggle("camera") };
    this.selects = { microphone: this.deviceSelect("microphone"), camera: this.deviceSelect("camera") };
    this.approvals = new ApprovalPanel({ approvals: engine.link.approvals, mine: () => engine.mine, send: (answer) => this.onAnswer(answer) });
    this.sharing = new Sharing({
      shared: () => engine.notebook,
      allowed: () => engine.link.state === "connected" && (engine.mine || engine.notebook === true),
      set: (on) => engine.setNotebook(on),
    });
    this.preview.muted = true;
    this.demoButton.append(icon("voice"), make("span", {}, VIEW.demo));
    this.demoButton.title = VIEW.demoTitle;
    this.takeButton.append(VIEW.use);
    this.soundButton.append(VIEW.sound);
    const form = make("form", { class: "imk-form", onsubmit: (event: Event) => this.onSubmit(event) }, this.input,
      make("button", { class: "imk-button imk-send", type: "submit" }, VIEW.send));
    this.input.addEventListener("input", () => this.engine.sendDraft(this.input.value));
    this.strip = new StripBox(engine, () => this.schedule("tick"));
    this.element = make("section", { class: "imk-root", "aria-label": VIEW.session, "data-lm-suppress-shortcuts": "true" },
      make("header", { class: "imk-bar" },
        this.startButton, this.state, this.who, make("span", { class: "imk-space" }),
        this.takeButton, this.soundButton, this.toggles.microphone, this.toggles.camera, this.demoButton),
      this.hint, this.approvals.element,
      this.strip.element,
      make("div", { class: "imk-body" }, this.talk.element,
        make("aside", { class: "imk-side" },
          make("div", { class: "imk-screen" }, this.preview, this.previewNote),
          this.meterBox, this.selects.microphone, this.selects.camera)),
      make("div", { class: "imk-foot" }, form, make("div", { class: "imk-switches" }, this.draft, this.speakers, this.sharing.button, this.sharing.words)),
      this.status, this.cells.element, this.captions.element);
    for (const type of ["keydown", "keyup", "keypress"]) this.element.addEventListener(type, (event) => event.stopPropagation());
  }

  attach(): void {
    this.captions.skip(this.engine.transcript);
    this.engine.onCell.add(this.onCell);
    if (this.engine.link.state === "connected") this.cells.ask();
    this.strip.attach();
    this.themeless = followTheme(this.element, () => this.strip.themed());
    this.schedule("state");
    this.schedule("words");
  }

  detach(): void {
    cancelAnimationFrame(this.frame);
    this.strip.detach();
    this.themeless();
    this.engine.onCell.delete(this.onCell);
    this.cells.dispose();
    this.approvals.detach();
    this.preview.srcObject = null;
  }

  onChange(change: Change): void {
    this.schedule(change);
  }

  private schedule(change: Change): void {
    this.due.add(change);
    if (!this.frame) this.frame = requestAnimationFrame(() => this.update());
  }

  private update(): void {
    this.frame = 0;
    const due = this.due;
    this.due = new Set();
    if (due.has("tick")) this.drawTick();
    const nowS = this.engine.running ? this.engine.nowIndex * 0.2 : Infinity;
    this.talk.draw(this.engine.transcript, nowS);
    this.captions.draw(this.engine.transcript, nowS);
    if (due.has("state") || this.engine.silentKernel) this.drawState();
  }

  private drawTick(): void {
    const { levelDb } = this.engine;
    this.strip.draw();
    this.meter.style.transform = `scaleX(${loudness(levelDb).toFixed(3)})`;
    const db = Math.round(Math.min(0, Math.max(-60, levelDb)));
    this.meterBox.setAttribute("aria-valuenow", String(db));
    this.meterBox.setAttribute("aria-valuetext", VIEW.levelIn(db));
  }

  private facts(): StatusFacts {
    const e = this.engine;
    const device = (kind: MediaKind) => ({ wanted: e.devices[kind].wanted, on: e.devices[kind].track !== null, permission: e.devices[kind].permission });
    const compute = e.stats.compute_ms_p50;
    return {
      link: e.link.state, state: e.session.state, reason: e.session.reason, starting: e.starting, running: e.running, mine: e.mine,
      silentKernel: e.silentKernel, soundBlocked: e.soundBlocked, obstacle: e.obstacle, pageUrl: this.pageUrl, microphone: device("microphone"), camera: device("camera"),
      demo: e.demo.state === "playing", notebook: e.notebook === true,
      recording: typeof e.stats.recording === "string" ? e.stats.recording : "",
      inside: textOr(e.stats.inside, ""), lane: e.link.lane, laneReason: e.link.laneReason, rttMs: e.link.rttMs,
      computeMs: typeof compute === "number" ? compute : null,
      dropped: numberOr(e.stats.dropped, 0) + e.link.droppedTicks, missed: numberOr(e.stats.missed, 0),
    };
  }

  private get pageUrl(): string {
    return capturePageUrl(this.engine.link.address, this.engine.obstacle, window.location.hostname);
  }

  private drawState(): void {
    const e = this.engine;
    const facts = this.facts();
    const { text, tone } = headline(facts);
    setText(this.state, text);
    this.state.dataset.tone = tone;
    setText(this.who, e.session.model);
    const words = statusWords(facts);
    if (e.error) words.push(e.error);
    setText(this.status, words.join(STATUS.between));
    const advice = hint(facts) || e.note;
    setText(this.advice, advice);
    this.pageLink.hidden = !facts.pageUrl;
    if (facts.pageUrl) this.pageLink.href = facts.pageUrl;
    this.hint.hidden = advice === "";
    this.approvals.draw();
    this.drawButtons();
    for (const kind of KINDS) this.drawDevice(kind);
    this.drawPreview();
    void this.fillSelects();
    press(this.draft, e.shareDraft);
    press(this.speakers, e.speakers);
    this.sharing.draw();
  }

  private drawButtons(): void {
    const e = this.engine;
    const on = e.running || e.starting;
    if (this.startButton.dataset.on !== String(on)) {
      this.startButton.dataset.on = String(on);
      this.startButton.replaceChildren(icon(on ? "stop" : "play"), on ? VIEW.stop : VIEW.start);
    }
    this.startButton.disabled = e.link.state !== "connected";
    this.startButton.hidden = !e.mine;
    this.takeButton.hidden = e.mine;
    this.takeButton.disabled = e.link.state !== "connected";
    this.soundButton.hidden = !e.soundBlocked;
    this.demoButton.disabled = e.link.state !== "connected" || !e.mine || !e.canSound || e.demo.state === "asked";
    press(this.demoButton, e.demo.state !== "idle");
    setText(this.demoButton.lastElementChild!, e.demo.state === "playing" ? VIEW.stopDemo : VIEW.demo);
    this.input.disabled = e.link.state !== "connected" || !e.mine;
  }

  private drawDevice(kind: MediaKind): void {
    const device = this.engine.devices[kind];
    const element = this.toggles[kind];
    press(element, device.wanted);
    element.dataset.live = String(device.track !== null);
    const settings = device.track?.getSettings();
    const granted = !settings ? "" : kind === "camera" ? VIEW.grantedPicture(settings.width, settings.height) :
      VIEW.grantedSound(settings.echoCancellation, settings.noiseSuppression, settings.autoGainControl);
    element.title = VIEW.deviceTitle(kind, device.wanted, granted);
    element.setAttribute("aria-label", VIEW.deviceState(VIEW.device[kind], device.wanted));
    element.disabled = this.engine.obstacle !== "";
  }

  private drawPreview(): void {
    const track = this.engine.devices.camera.track;
    const shown = (this.preview.srcObject as MediaStream | null)?.getVideoTracks()[0] ?? null;
    if (track !== shown) {
      this.preview.srcObject = track ? new MediaStream([track]) : null;
      if (track) this.preview.play().catch(() => {}); // replaced before it could play
    }
    this.preview.classList.toggle("imk-off", !track);
    const { running, devices } = this.engine;
    setText(this.previewNote, track ? "" : running && devices.camera.permission === "denied" ? VIEW.cameraRefused : VIEW.cameraOff);
  }

  private async fillSelects(): Promise<void> {
    if (this.engine.obstacle) {
      for (const kind of KINDS) this.selects[kind].hidden = true;
      return;
    }
    const found = await navigator.mediaDevices.enumerateDevices().catch(() => []);
    const key = JSON.stringify([found.map((d) => [d.kind, d.deviceId, d.label]), KINDS.map((k) => this.engine.devices[k].deviceId)]);
    if (key === this.deviceKey) return;
    this.deviceKey = key;
    for (const kind of KINDS) {
      const input = kind === "microphone" ? "audioinput" : "videoinput";
      const named = found.filter((d) => d.kind === input && d.deviceId && d.label);
      const select = this.selects[kind];
      select.replaceChildren(
        make("option", { value: "" }, VIEW.standard(kind)),
        ...named.filter((d) => d.deviceId !== "default").map((d) => make("option", { value: d.deviceId }, d.label)),
      );
      select.value = this.engine.devices[kind].deviceId;
      select.hidden = named.length === 0; // names are known only once allowed
    }
  }

  private deviceToggle(kind: MediaKind): HTMLButtonElement {
    const element = button("imk-toggle", () => {
      const device = this.engine.devices[kind];
      const retry = this.engine.running && device.wanted && !device.track; // refused before: ask again
      void this.engine.setDevice(kind, retry || !device.wanted);
    });
    element.append(icon(kind));
    return element;
  }

  private deviceSelect(kind: MediaKind): HTMLSelectElement {
    const select = make("select", { class: "imk-select", "aria-label": VIEW.which(kind), hidden: true });
    select.addEventListener("change", () => void this.engine.setDevice(kind, this.engine.devices[kind].wanted, select.value));
    return select;
  }

  private toggleRun(): void {
    if (this.engine.running || this.engine.starting) this.engine.stop();
    else void this.engine.start();
  }

  /** Only the page that holds the lease may answer, so where nobody does it takes it first. */
  private onAnswer(answer: Json): void {
    if (this.engine.leaseHolder === null) this.engine.link.control({ type: "lease", take: true });
    this.engine.link.control(answer);
  }

  private async onSubmit(event: Event): Promise<void> {
    event.preventDefault();
    const text = this.input.value.trim();
    if (!text) return;
    this.input.value = "";
    if (!this.engine.running) await this.engine.start(false); // typing alone is enough to begin
    this.engine.sendText(text);
    this.engine.sendDraft("");
  }
}

function engineDraft(view: View): void {
  view.engine.setShareDraft(!view.engine.shareDraft);
}

function button(className: string, onclick: () => void): HTMLButtonElement {
  return make("button", { class: `imk-button ${className}`, type: "button", onclick });
}
