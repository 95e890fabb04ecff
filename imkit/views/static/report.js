// One playhead over all lanes: zoom, drag, keys, sound, and the card of a micro-turn.
{
  const $ = (id) => document.getElementById(id);
  const NAMES = ["ink", "soft", "line", "fine", "paper", "band", "you", "me", "nod", "act", "cost", "both", "late"];
  const colours = {};
  const board = new Board($("lanes"), colours), overview = new Overview($("overview"), colours), over = new Picture($("over"), colours);
  const element = $("board"), play = $("play"), whole = data.end_s - data.start_s;
  let at = data.start_s, waiting = false;

  function readColours() {
    const style = getComputedStyle(document.documentElement);
    for (const name of NAMES) colours[name] = style.getPropertyValue(`--${name}`).trim();
  }
  function draw() {
    waiting = false;
    const width = element.clientWidth;
    board.draw(width);
    overview.draw($("overview").clientWidth, board.start, board.end);
    over.size(width, board.tall);
    playhead();
  }
  function later() { if (!waiting) { waiting = true; requestAnimationFrame(draw); } }
  board.changed = later;

  // what is visible
  const clip = (value, low, high) => Math.min(high, Math.max(low, value));
  function look(start, span) {
    board.span = clip(span, Math.min(1, whole), whole);
    board.start = clip(start, data.start_s, data.end_s - board.span);
    later();
  }
  function zoom(factor, around = at) {
    const middle = clip(around, board.start, board.end), span = clip(board.span * factor, Math.min(1, whole), whole);
    look(middle - (middle - board.start) * span / board.span, span);
  }
  const into = (time) => { if (time < board.start + .02 * board.span || time > board.end - .05 * board.span) look(time - .12 * board.span, board.span); };

  // sound: one stereo file, so that both sides stay on one clock
  const audio = new Audio(), gains = {};
  let context = null, wanted = false;
  play.disabled = !data.sound_type;
  function load() {
    if (context) return context.resume();
    context = new AudioContext();
    const bytes = Uint8Array.from(atob($("sound").textContent), (c) => c.charCodeAt(0));
    audio.src = URL.createObjectURL(new Blob([bytes], { type: data.sound_type }));
    const source = context.createMediaElementSource(audio), sides = context.createChannelSplitter(2);
    source.connect(sides);
    ["user", "model"].forEach((side, channel) => {
      const gain = gains[side] = context.createGain(), box = $(`hear-${side}`);
      sides.connect(gain, channel);
      gain.connect(context.destination);
      const apply = () => { gain.gain.value = box.checked ? 1 : 0; };
      box.addEventListener("change", apply);
      apply();
    });
    return context.resume();
  }
  function stop() { wanted = false; audio.pause(); play.textContent = "Play"; }
  async function start() {
    if (play.disabled) return;
    wanted = true;
    play.textContent = "Pause";
    await load();
    if (at >= data.end_s - .05 || at < data.sound_s) show(data.sound_s);
    audio.currentTime = at - data.sound_s;
    try { await audio.play(); } catch { stop(); return; }
    requestAnimationFrame(follow);
  }
  function follow() {
    if (!wanted) return;
    if (audio.ended) { show(data.end_s); stop(); return; }
    show(data.sound_s + audio.currentTime);
    requestAnimationFrame(follow);
  }
  const toggle = () => wanted ? stop() : start();
  function seek(time) {
    show(clip(time, data.start_s, data.end_s));
    if (wanted) { if (at < data.sound_s) stop(); else audio.currentTime = at - data.sound_s; }
  }

  // the playhead, and the micro-turn under it
  const lines = [...document.querySelectorAll("#transcript li")].map((li) => [li, +li.dataset.start, +li.dataset.end]);
  let now = [];
  const indexAt = (time) => Math.floor(time / data.tick_s + 1e-6);
  const format = (value) => typeof value === "object" ? JSON.stringify(value) : String(value);
  const spoken = (words) => words.map(([told, a, b]) => `${told} (${a.toFixed(2)} to ${b.toFixed(2)} s)`).join(", ");
  const db = (value) => value <= -119 ? "silent" : `${value.toFixed(1)} dB`;
  function facts(index) {
    const i = firstAfter(ticks.index, index - 1, (k) => k);
    if (ticks.index[i] !== index) return [["", "nothing kept: it was lost, or never came"]];
    const told = data.told[index] ?? {}, heardFrom = (index + 1) * data.tick_s, rows = [];
    rows.push(["came in", db(ticks.level[i]) + (ticks.frames[i] ? `, ${ticks.frames[i]} picture${ticks.frames[i] > 1 ? "s" : ""}` : "")]);
    if (told.text) rows.push(["typed", told.text]);
    if (told.draft) rows.push(["draft", told.draft]);
    for (const event of told.events ?? []) rows.push(["event", `${event.kind} from ${event.provenance}: ${event.text}`]);
    for (const [name, values] of inside) if (!Number.isNaN(values[i])) rows.push([name, String(+values[i].toFixed(4))]);
    rows.push(["took", `${ticks.ms[i].toFixed(1)} ms of ${data.deadline_ms}`], ["floor", data.floors[ticks.floor[i]] + (told.yielded ? ", yielded" : "")]);
    if (told.heard) rows.push(["has heard", spoken(told.heard)]);
    if (told.words) rows.push(["says", spoken(told.words)]);
    for (const call of told.calls ?? []) rows.push(["call", `${call.kind} ${call.name} ${format(call.arguments)}`]);
    rows.push(["own sound", `${db(ticks.own[i])}, heard from ${heardFrom.toFixed(1)} s`], ["epoch", ticks.epoch[i]]);
    return rows;
  }
  let described = null;
  function describe() {
    const index = indexAt(at);
    if ($("card").hidden || described === index) return;
    described = index;
    $("which").textContent = `Micro-turn ${index}, ${(index * data.tick_s).toFixed(1)} to ${((index + 1) * data.tick_s).toFixed(1)} s`;
    const list = $("moment");
    list.replaceChildren();
    for (const [name, value] of facts(index)) {
      const term = document.createElement("dt"), text = document.createElement("dd");
      term.textContent = name;
      text.textContent = value;
      list.append(term, text);
    }
    const near = data.pictures.filter(([time]) => Math.abs(time - index * data.tick_s) < 1).at(-1);
    $("picture").hidden = !near;
    if (near) $("picture").src = near[1];
  }
  function open(opened = true) { $("card").hidden = !opened; described = null; describe(); }
  function playhead() {
    const c = over.c, x = board.x(at), left = board.x(indexAt(at) * data.tick_s);
    c.clearRect(0, 0, over.width, over.height);
    if (x < GUTTER - 1 || x > over.width) return;
    c.globalAlpha = .12; c.fillStyle = colours.me; c.fillRect(Math.max(GUTTER, left), 0, data.tick_s * board.scale, over.height);
    c.globalAlpha = 1; c.fillStyle = colours.act; c.fillRect(x - .75, 0, 1.5, over.height);
  }
  function show(time) {
    at = time;
    into(time);
    $("time").textContent = `${time.toFixed(1)} s`;
    element.setAttribute("aria-valuemin", data.start_s); element.setAttribute("aria-valuemax", data.end_s);
    element.setAttribute("aria-valuenow", time.toFixed(1)); element.setAttribute("aria-valuetext", `${time.toFixed(1)} seconds`);
    for (const li of now) li.classList.remove("now");
    now = [];
    for (const [li, a, b] of lines) { if (a > time) break; if (time < b) { li.classList.add("now"); now.push(li); } }
    playhead();
    describe();
  }

  // pointer: click opens, drag moves, wheel zooms or moves
  let grip = null;
  const timeOf = (event) => board.time(event.clientX - element.getBoundingClientRect().left);
  element.addEventListener("pointerdown", (event) => { grip = { x: event.clientX, start: board.start, moved: false }; element.setPointerCapture(event.pointerId); });
  element.addEventListener("pointermove", (event) => {
    if (!grip) return;
    const by = event.clientX - grip.x;
    if (Math.abs(by) > 4) { grip.moved = true; element.classList.add("dragged"); }
    if (grip.moved) look(grip.start - by / board.scale, board.span);
  });
  element.addEventListener("pointerup", (event) => {
    if (grip && !grip.moved && timeOf(event) >= board.start) { seek(timeOf(event)); open(); }
    grip = null;
    element.classList.remove("dragged");
  });
  element.addEventListener("wheel", (event) => {
    if (event.ctrlKey || event.metaKey) zoom(Math.exp(event.deltaY / 300), timeOf(event));
    else if (Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey) look(board.start + (event.deltaX || event.deltaY) / board.scale, board.span);
    else return;
    event.preventDefault();
  }, { passive: false });
  const lookAt = (event) => look(data.start_s + event.offsetX / $("overview").clientWidth * whole - board.span / 2, board.span);
  $("overview").addEventListener("pointerdown", (event) => { $("overview").setPointerCapture(event.pointerId); lookAt(event); });
  $("overview").addEventListener("pointermove", (event) => { if (event.buttons) lookAt(event); });

  // buttons and keys
  const step = (by) => seek((indexAt(at) + by) * data.tick_s + 1e-4);
  function next(list, back) {
    const found = back ? list.findLast(([a]) => a < at - .05) : list.find(([a]) => a > at + .05);
    if (found) { seek(found[0]); look(found[0] - board.span / 2, board.span); }
  }
  const all = () => look(data.start_s, whole);
  play.addEventListener("click", toggle);
  $("closer").addEventListener("click", () => zoom(1 / 1.6));
  $("farther").addEventListener("click", () => zoom(1.6));
  $("whole").addEventListener("click", all);
  $("before").addEventListener("click", () => step(-1));
  $("after").addEventListener("click", () => step(1));
  $("close").addEventListener("click", () => open(false));
  $("transcript").addEventListener("click", (event) => {
    const li = event.target.closest("li");
    if (li) { seek(+li.dataset.start); if (board.span > 60) look(at - 4, 30); }
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if ([" ", "Enter"].includes(event.key) && event.target.closest("button, input")) return;
    const act = { " ": toggle, ArrowLeft: () => step(-1), ArrowRight: () => step(1), "+": () => zoom(1 / 1.6), "=": () => zoom(1 / 1.6),
      "-": () => zoom(1.6), "0": all, Home: () => seek(data.start_s), End: () => seek(data.end_s), Enter: () => open(),
      Escape: () => open(false), PageUp: () => look(board.start - .9 * board.span, board.span), PageDown: () => look(board.start + .9 * board.span, board.span),
      o: () => next(overlaps), O: () => next(overlaps, true), g: () => next(gaps), G: () => next(gaps, true) }[event.key];
    if (act) { event.preventDefault(); act(); }
  });

  // the page: size, theme, paper
  new ResizeObserver(later).observe(element);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColours(); later(); });
  window.addEventListener("beforeprint", () => { document.documentElement.dataset.theme = "light"; readColours(); draw(); });
  window.addEventListener("afterprint", () => { delete document.documentElement.dataset.theme; readColours(); later(); });
  readColours();
  look(data.start_s, Math.min(whole, 30));
  show(data.start_s);
  draw();
}
