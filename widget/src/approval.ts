// Questions of the kernel: may this tool run with exactly these arguments? Plain text, answered once, no by default.

import type { Frame, Json } from "./codec";
import { Kind } from "./codec";
import { make, setText } from "./dom";
import { listOf, numberOr, textOr } from "./protocol";
import { APPROVAL } from "./strings";

export interface Approval {
  id: string;
  digest: string;
  tool: string;
  arguments: { name: string; text: string }[];
  why: string[];
  untilMs: number; // on performance.now()
}

const MAX_WAITING = 8;
const LONG = 500; // more may lie below what is seen at once
const GUARD_MS = 700; // Allow comes alive late, so that a click meant for what was there before does not hit it

/** Text with every character that is unseen, or that reorders what is around it, written as \u{...}. */
export function visible(text: string): string {
  let out = "";
  for (const char of text) out += /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u.test(char) || isOddSpace(char) ? escaped(char) : char;
  return out;
}

function isOddSpace(char: string): boolean {
  return char !== " " && /\p{Zs}/u.test(char);
}

function escaped(char: string): string {
  return `\\u{${char.codePointAt(0)!.toString(16)}}`;
}

/** What the kernel asks, or null where it is no question. */
export function approvalOf(json: Json, nowMs: number): Approval | null {
  const id = textOr(json.id);
  const digest = textOr(json.digest);
  const tool = textOr(json.tool);
  if (!id || !digest || !tool || !Array.isArray(json.arguments)) return null;
  const given: Approval["arguments"] = [];
  for (const item of json.arguments) {
    if (!Array.isArray(item) || typeof item[0] !== "string" || typeof item[1] !== "string") return null; // never show a part
    given.push({ name: item[0], text: item[1] });
  }
  const why = listOf(json.why).filter((line): line is string => typeof line === "string");
  return { id, digest, tool, arguments: given, why, untilMs: nowMs + 1000 * Math.max(0, numberOr(json.left_s, 0)) };
}

export function secondsLeft(approval: Approval, nowMs: number): number {
  return Math.max(0, Math.ceil((approval.untilMs - nowMs) / 1000));
}

/** Questions that wait, oldest first. Fed with the frames that come; knows no page. */
export class Approvals {
  readonly waiting = new Map<string, Approval>();

  constructor(
    private readonly viewId: string,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Looks at a frame. True when it was about a question and nobody else need look at it. */
  take(frame: Frame): boolean {
    const message = frame.kind === Kind.ControlDown ? frame.json : undefined;
    if (message?.type === "welcome" && message.view === this.viewId) {
      for (const item of listOf(message.approvals)) this.add((item ?? {}) as Json);
      return false;
    }
    if (message?.type === "approval") this.add(message);
    else if (message?.type === "approval_gone") this.waiting.delete(textOr(message.id));
    else return false;
    return true;
  }

  /** The answer to send, once; null for what does not wait any more. */
  answer(id: string, allow: boolean): Json | null {
    this.expire();
    const approval = this.waiting.get(id);
    if (!approval) return null;
    this.waiting.delete(id);
    return { type: "approval", id, digest: approval.digest, allow };
  }

  /** Forgets questions whose time is over. True when there were any. */
  expire(): boolean {
    const now = this.now();
    const over = [...this.waiting.values()].filter((approval) => approval.untilMs <= now);
    for (const approval of over) this.waiting.delete(approval.id);
    return over.length > 0;
  }

  private add(json: Json): void {
    const meant = textOr(json.view);
    const approval = approvalOf(json, this.now());
    if (!approval || (meant && meant !== this.viewId) || this.waiting.size >= MAX_WAITING) return;
    this.waiting.set(approval.id, approval);
  }
}

export interface ApprovalHost {
  readonly approvals: Approvals;
  /** Whether this page may answer. */
  mine(): boolean;
  send(answer: Json): void;
}

interface Card {
  element: HTMLElement;
  allow: HTMLButtonElement;
  left: HTMLElement;
  bornMs: number;
}

/** Draws the questions that wait, each as a card of plain text. Never moves the focus. */
export class ApprovalPanel {
  readonly element = make("div", { class: "imk-approvals", hidden: true });
  private readonly cards = new Map<string, Card>();
  private timer: ReturnType<typeof setInterval> | undefined;

  constructor(
    private readonly host: ApprovalHost,
    private readonly now: () => number = () => performance.now(),
  ) {}

  draw(): void {
    this.host.approvals.expire();
    const waiting = this.host.mine() ? this.host.approvals.waiting : new Map<string, Approval>();
    for (const [id, card] of this.cards) {
      if (waiting.has(id)) continue;
      card.element.remove();
      this.cards.delete(id);
    }
    for (const approval of waiting.values()) {
      const card = this.cards.get(approval.id) ?? this.open(approval);
      card.allow.disabled = this.now() - card.bornMs < GUARD_MS;
      setText(card.left, APPROVAL.left(secondsLeft(approval, this.now())));
    }
    this.element.hidden = this.cards.size === 0;
    if (this.cards.size > 0) this.timer ??= setInterval(() => this.draw(), 250);
    else this.detach();
  }

  detach(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private open(approval: Approval): Card {
    const answer = (allow: boolean) => {
      const message = this.host.approvals.answer(approval.id, allow);
      if (message) this.host.send(message);
      this.draw();
    };
    const button = (label: string, name: string, allow: boolean) =>
      make("button", { class: `imk-button ${name}`, type: "button", onclick: () => answer(allow) }, label);
    const allow = button(APPROVAL.allow, "imk-allow", true);
    const left = make("span", { class: "imk-left" });
    const given = approval.arguments.map(({ name, text }) =>
      make("div", { class: "imk-given" }, make("span", { class: "imk-given-name" }, visible(name)), APPROVAL.is, visible(text)));
    const tool = visible(approval.tool);
    const length = approval.arguments.reduce((sum, { name, text }) => sum + name.length + text.length, 0);
    const notes = length > LONG ? [APPROVAL.long(length), ...approval.why] : approval.why;
    const element = make("section", { class: "imk-approval", role: "alert", "aria-label": APPROVAL.ask(tool) },
      make("p", { class: "imk-approval-ask" }, APPROVAL.before, make("strong", {}, tool), APPROVAL.after),
      make("div", { class: "imk-givens", tabindex: "0", dir: "ltr", "aria-label": APPROVAL.arguments, role: "group" },
        ...(given.length > 0 ? given : [make("div", { class: "imk-given" }, APPROVAL.none)])),
      ...notes.map((line) => make("p", { class: "imk-approval-why" }, visible(line))),
      make("div", { class: "imk-approval-foot" }, button(APPROVAL.refuse, "imk-refuse", false), allow, left));
    const card = { element, allow, left, bornMs: this.now() };
    this.cards.set(approval.id, card);
    this.element.append(element);
    return card;
  }
}
