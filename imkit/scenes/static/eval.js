"use strict";
{
  const $ = (id) => document.getElementById(id);
  const { trials, sound } = JSON.parse($("data").textContent);
  const scenes = Object.keys(trials);
  const audio = $("sound"), svg = $("timeline"), scroll = $("scroll"), play = $("play");
  const failed = (trial) => trial.verdict.checks.some((check) => !check.passed);
  const spaced = (name) => name.replaceAll("_", " ");
  const LEFT = 10, TOP = 22, PEAKS_PER_S = 20;
  let shown = null, scale = 84;

  // --- all trials, a square each

  const cells = new Map();
  for (const scene of scenes) {
    const right = trials[scene].filter((trial) => !failed(trial)).length;
    const title = document.createElement("h4");
    title.textContent = spaced(scene) + " ";
    const count = document.createElement("span");
    count.textContent = `${right} of ${trials[scene].length}`;
    title.append(count);
    const row = document.createElement("div");
    row.className = "cells";
    trials[scene].forEach((trial, place) => {
      const cell = document.createElement("button");
      const why = trial.verdict.checks.filter((check) => !check.passed).map((check) => check.why).join("; ");
      cell.title = `${trial.number}: ${failed(trial) ? why || "failed" : "passed"}`;
      cell.setAttribute("aria-label", `${spaced(scene)} ${cell.title}`);
      if (failed(trial)) { cell.className = "bad"; cell.textContent = "×"; }
      cell.onclick = () => { location.hash = `${scene}/${place}`; };
      cells.set(`${scene}/${place}`, cell);
      row.append(cell);
    });
    $("grid").append(title, row);
  }
  $("only").onchange = () => $("grid").classList.toggle("only", $("only").checked);

  // --- one trial on a time axis

  const NS = "http://www.w3.org/2000/svg";
  function put(tag, attributes, text) {
    const node = document.createElementNS(NS, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text !== undefined) node.textContent = text;
    svg.append(node);
    return node;
  }
  const x = (seconds) => LEFT + seconds * scale;

  /** Spans [text, start, end, class] as pills in as many rows as they need, at most three; the height. */
  function pills(top, spans, kind) {
    const free = [];
    for (const [text, start, end, more = "", told = ""] of spans) {
      const width = Math.max(6, (end - start) * scale, text.length * 6.9 + 8);
      let row = free.findIndex((until) => until <= x(start) + 0.5);
      if (row < 0) row = free.length < 3 ? free.length : free.indexOf(Math.min(...free));
      free[row] = x(start) + width + 1;
      const y = top + row * 20;
      const rect = put("rect", { class: `pill ${kind} ${more}`, x: x(start), y: y + 1, rx: 4, height: 18, width: Math.max(5, (end - start) * scale) });
      const label = put("text", { class: `${kind} ${more}`, x: x(start) + 4, y: y + 14 }, text);
      for (const node of [rect, label]) {
        const title = document.createElementNS(NS, "title");
        title.textContent = told || `${text}  ${start.toFixed(2)} to ${end.toFixed(2)} s`;
        node.append(title);
      }
    }
    return Math.max(1, free.length) * 20;
  }

  function wave(top, peaks, kind) {
    const middle = top + 17;
    const heights = [...peaks].map((digit) => Math.max(0.4, parseInt(digit, 36) / 35 * 16));
    const points = heights.map((h, i) => [x((i + 0.5) / PEAKS_PER_S).toFixed(1), h]);
    const upper = points.map(([at, h]) => `${at} ${(middle - h).toFixed(1)}`);
    const lower = points.map(([at, h]) => `${at} ${(middle + h).toFixed(1)}`).reverse();
    if (points.length) put("path", { class: `wave ${kind}`, d: `M${upper.concat(lower).join("L")}Z` });
    return 34;
  }

  function draw(trial, scene) {
    svg.replaceChildren();
    scale = Math.max(84, (scroll.clientWidth - 2 * LEFT - 2) / trial.seconds);
    const width = Math.ceil(trial.seconds * scale + 2 * LEFT);
    const grid = put("path", { class: "second" });
    let top = TOP;
    const lane = (name, content) => {
      const band = put("rect", { class: "lane", x: 0, y: top, width, rx: 0 });
      const height = content(top + 4) + 8;
      band.setAttribute("height", height);
      put("text", { class: "name", x: 4, y: top + 11 }, name);
      top += height + 2;
    };
    const words = (said) => said.flatMap((one) => one.words.map(([text, start, end]) => [text, start, end, "", `${text}  ${start.toFixed(2)} to ${end.toFixed(2)} s, ${one.voice}`]));
    const user = trial.said.filter((one) => one.who === "user"), other = trial.said.filter((one) => one.who !== "user");
    const labelled = (content) => (at) => 14 + content(at + 14);
    if (trial.strip) lane("sees", labelled((at) => {
      put("image", { href: `trials/${scene}/${name(trial)}.png`, x: x(0), y: at, height: 84, width: trial.strip * scale, preserveAspectRatio: "none" });
      return 84;
    }));
    lane("microphone", labelled((at) => wave(at, trial.peaks.user, "u")));
    lane("user", labelled((at) => pills(at, words(user), "u")));
    if (other.length) lane("somebody else", labelled((at) => pills(at, words(other), "o")));
    if (trial.typed.length) lane("typed", labelled((at) => pills(at, trial.typed.map(([t, text]) => [text, t, t + 0.2]), "u")));
    lane("expected", labelled((at) => pills(at, trial.expected.map(wanted), "e")));
    lane("model", labelled((at) => {
      for (const [start, end] of trial.segments) put("rect", { class: "speech", x: x(start), y: at, width: (end - start) * scale, height: 34 });
      return wave(at, trial.peaks.model, "m");
    }));
    lane("says", labelled((at) => pills(at, trial.words.map(([text, start, end, sounds]) => [text, start, end, sounds ? "" : "silent"]), "m")));
    if (trial.heard.length) lane("heard", labelled((at) => pills(at, trial.heard.map(([text, start, end]) => [text, start, end]), "u")));
    const calls = [
      ...trial.calls.map((call) => [`${call.kind === "cancel" ? "✕" : "▲"} ${call.name}`, call.time_s, call.time_s, "", `${call.time_s.toFixed(1)} s  ${call.kind} ${call.name}(${JSON.stringify(call.arguments).slice(1, -1)})`]),
      ...trial.events.map(([t, kind, from, text]) => [`▼ ${text || kind}`, t, t, "", `${t.toFixed(1)} s  ${kind} from ${from}: ${text}`]),
    ].sort((a, b) => a[1] - b[1]);
    if (calls.length) lane("calls, results", labelled((at) => pills(at, calls, "c")));
    let lines = "";
    for (let s = 0; s <= trial.seconds; s += 1) {
      lines += `M${x(s)} ${TOP - 4}V${top}`;
      put("text", { class: "time", x: x(s) + 3, y: 14 }, `${s} s`);
    }
    grid.setAttribute("d", lines);
    svg.prepend(...svg.querySelectorAll(".lane"), grid);
    put("line", { id: "head", y1: TOP - 8, y2: top, x1: x(0), x2: x(0) });
    svg.setAttribute("width", width);
    svg.setAttribute("height", top + 2);
    scroll.scrollLeft = 0;
  }

  /** An expectation as a span: from when it can be known to a second later, or from when it is due. */
  function wanted(one) {
    const from = one.due_s ?? one.cause_s;
    const text = one.call ? `▲ ${one.call.name}` : one.words.join(" ") || "silence";
    const told = `${text}: can be known from ${one.cause_s.toFixed(2)} s` + (one.due_s === undefined ? "" : `, due at ${one.due_s.toFixed(2)} s`)
      + (one.call ? `, ${JSON.stringify(one.call.arguments)}` : "") + (one.withdrawn ? ", withdrawn" : "");
    return [text, from, from + Math.max(0.4, one.words.length * Math.max(0.4, one.pace_s ?? 0)), one.withdrawn ? "gone" : "", told];
  }

  const name = (trial) => String(trial.number).padStart(3, "0");
  function show(scene, place) {
    const trial = trials[scene]?.[place];
    if (!trial) return;
    if (shown) cells.get(`${shown.scene}/${shown.place}`).removeAttribute("aria-current");
    shown = { scene, place, trial };
    const cell = cells.get(`${scene}/${place}`);
    cell.setAttribute("aria-current", "true");
    const grid = $("grid"), box = grid.getBoundingClientRect(), own = cell.getBoundingClientRect();
    grid.scrollTop += Math.min(0, own.top - box.top - 24) + Math.max(0, own.bottom - box.bottom + 4);
    $("name").textContent = `${spaced(scene)} ${trial.number}`;
    $("checks").replaceChildren(...trial.verdict.checks.map((check) => {
      const line = document.createElement("li"), mark = document.createElement("b"), why = document.createElement("span");
      line.className = check.passed ? "good" : "bad";
      mark.textContent = `${check.passed ? "✓" : "✗"} ${check.kind}${check.group ? ` (${check.group})` : ""}`;
      const late = check.latency_s === null ? "" : `${check.latency_s >= 0 ? "+" : "−"}${Math.abs(check.latency_s).toFixed(2)} s`;
      why.textContent = [check.why, late].filter(Boolean).join("; ");
      line.append(mark, why);
      return line;
    }));
    const measures = Object.entries(trial.verdict.measures).map(([key, value]) => `${spaced(key)} ${Math.round(value * 1000) / 1000}`);
    const voice = trial.said.find((one) => one.who === "user")?.voice;
    $("more").textContent = [voice && `voice ${voice}`, trial.mismatches && `${trial.mismatches} mismatches of words and sound`, ...measures].filter(Boolean).join(" · ");
    audio.pause();
    if (sound) audio.src = `trials/${scene}/${name(trial)}.flac`;
    play.disabled = !sound;
    if (!sound) play.title = "The sound was not kept (--no-audio)";
    draw(trial, scene);
    at(0);
  }

  // --- listening

  function at(seconds) {
    const head = $("head");
    if (!head) return;
    head.setAttribute("x1", x(seconds));
    head.setAttribute("x2", x(seconds));
    $("time").textContent = `${seconds.toFixed(1)} of ${shown.trial.seconds.toFixed(1)} s`;
  }
  function follow() {
    if (audio.paused) return;
    at(audio.currentTime);
    const head = x(audio.currentTime);
    if (head > scroll.scrollLeft + scroll.clientWidth - 40) scroll.scrollLeft = head - 80;
    requestAnimationFrame(follow);
  }
  audio.onplay = () => { play.textContent = "Pause"; follow(); };
  audio.onpause = () => { play.textContent = "Play"; };
  audio.onerror = () => { play.disabled = true; play.title = "The sound of this trial is not beside this page"; };
  const toggle = () => { if (!play.disabled) audio.paused ? audio.play() : audio.pause(); };
  play.onclick = toggle;
  svg.onclick = (event) => {
    const seconds = Math.min(shown.trial.seconds, Math.max(0, (event.clientX - svg.getBoundingClientRect().left - LEFT) / scale));
    if (sound) audio.currentTime = seconds;
    at(seconds);
  };

  // --- going from one to the next

  function go(by) {
    const order = [...cells.keys()].filter((key) => !$("only").checked || cells.get(key).className === "bad" || key === `${shown.scene}/${shown.place}`);
    const next = order[order.indexOf(`${shown.scene}/${shown.place}`) + by];
    if (next) location.hash = next;
  }
  $("before").onclick = () => go(-1);
  $("after").onclick = () => go(1);
  addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input, summary, a")) return;
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") { go(event.key === "ArrowLeft" ? -1 : 1); event.preventDefault(); }
    if (event.key === " " && !event.target.matches("button:not(#play)")) { toggle(); event.preventDefault(); }
  });
  function fromAddress() {
    const [scene, place] = decodeURIComponent(location.hash.slice(1)).split("/");
    if (!scenes.includes(scene)) return false;
    show(scene, +place || 0);
    return true;
  }
  addEventListener("hashchange", () => { if (fromAddress()) $("trials").scrollIntoView({ block: "nearest" }); });
  addEventListener("resize", () => { if (shown) draw(shown.trial, shown.scene); });
  if (!fromAddress()) {
    const scene = scenes.find((name) => trials[name].some(failed)) ?? scenes[0];
    if (scene) show(scene, Math.max(0, trials[scene].findIndex(failed)));
  }
}
