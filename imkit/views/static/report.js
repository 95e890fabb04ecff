"use strict";
{
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const svg = $("tracks"), scroll = $("scroll"), play = $("play");
  const ticks = new Map(data.ticks.map((tick) => [tick.i, tick]));
  let scale = data.scale, at = 0;

  // zoom: what is drawn in seconds is stretched, what holds text is moved
  const moved = [...svg.querySelectorAll(".at")].map((g) => [g, +g.dataset.t]);
  const wide = [...svg.querySelectorAll("[data-w]")].map((r) => [r, +r.dataset.w]);
  const stretched = [...svg.querySelectorAll(".stretch")];
  const lines = [...svg.querySelectorAll("[data-x2]")];
  const stamps = [...svg.querySelectorAll(".stamp")].map((g) => [g, Math.round(+g.dataset.t + data.start_s)]);
  function zoom(next, around = at) {
    const old = scale, left = around * old - scroll.scrollLeft;
    scale = Math.min(1200, Math.max(4, next));
    for (const [g, t] of moved) g.setAttribute("transform", `translate(${t * scale} 0)`);
    for (const [r, w] of wide) r.setAttribute("width", Math.max(1, w * scale));
    for (const p of stretched) p.setAttribute("transform", `scale(${scale} 1)`);
    for (const l of lines) l.setAttribute("x2", +l.dataset.x2 * scale);
    svg.setAttribute("width", Math.ceil(data.seconds * scale + 40));
    svg.classList.toggle("far", scale * data.tick_s < 3);
    svg.classList.toggle("small", scale < 45);
    const step = [1, 2, 5, 10, 30, 60, 300, 600].find((s) => s * scale >= 40) ?? 1800;
    for (const [g, t] of stamps) g.style.display = t % step ? "none" : "";
    scroll.scrollLeft = around * scale - left;
    show(at, false);
  }

  // both sounds on one clock
  const tracks = { user: null, model: null };
  let context = null, sources = [], startedAt = 0, from = 0;
  const playing = () => sources.length > 0;
  async function load() {
    context ??= new AudioContext();
    for (const name of Object.keys(tracks)) {
      if (tracks[name]) continue;
      const bytes = Uint8Array.from(atob($(`${name}-sound`).textContent), (c) => c.charCodeAt(0));
      const gain = context.createGain();
      gain.connect(context.destination);
      tracks[name] = { buffer: await context.decodeAudioData(bytes.buffer), gain };
      const box = $(`hear-${name}`);
      const apply = () => { gain.gain.value = box.checked ? 1 : 0; };
      box.addEventListener("change", apply);
      apply();
    }
    await context.resume();
  }
  function stop() {
    for (const source of sources) { source.onended = null; source.stop(); }
    sources = [];
    play.textContent = "Play";
  }
  async function start(time) {
    await load();
    stop();
    from = time >= data.seconds - 0.05 ? 0 : time;
    startedAt = context.currentTime + 0.03;
    for (const { buffer, gain } of Object.values(tracks)) {
      if (from >= buffer.duration) continue;
      const source = context.createBufferSource();
      source.buffer = buffer;
      source.connect(gain);
      source.start(startedAt, from);
      sources.push(source);
    }
    play.textContent = "Pause";
    requestAnimationFrame(follow);
  }
  function follow() {
    if (!playing()) return;
    const time = from + Math.max(0, context.currentTime - startedAt);
    if (time >= data.seconds) { stop(); show(data.seconds, true); return; }
    show(time, true);
    requestAnimationFrame(follow);
  }
  function toggle() { if (playing()) stop(); else start(at); }
  function seek(time) {
    const clipped = Math.min(data.seconds, Math.max(0, time));
    if (playing()) start(clipped); else show(clipped, true);
  }

  // the playhead, and what happened in its micro-turn
  const format = (value) => typeof value === "object" ? JSON.stringify(value) : String(value);
  const spoken = (words) => words.map(([text, a, b]) => `${text} (${a.toFixed(2)} to ${b.toFixed(2)} s)`).join(", ");
  function facts(tick) {
    const begin = tick.i * data.tick_s;
    const rows = [["micro-turn", `${tick.i}: ${begin.toFixed(1)} to ${(begin + data.tick_s).toFixed(1)} s`]];
    rows.push(["came in", `${tick.level_db} dB` + (tick.frames ? `, ${tick.frames} picture${tick.frames > 1 ? "s" : ""}` : "")]);
    if (tick.text) rows.push(["typed", tick.text]);
    if (tick.draft) rows.push(["draft", tick.draft]);
    for (const event of tick.events ?? []) rows.push(["event", `${event.kind} from ${event.provenance}: ${event.text}`]);
    if (tick.heard) rows.push(["heard", spoken(tick.heard)]);
    rows.push(["decided", tick.floor + (tick.yielded ? ", yielded" : "")]);
    if (tick.words) rows.push(["says", spoken(tick.words)]);
    for (const call of tick.calls ?? []) rows.push(["call", `${call.kind} ${call.name} ${format(call.arguments)}`]);
    rows.push(["own voice", `${tick.own_db} dB, from ${(begin + data.tick_s).toFixed(1)} s`], ["epoch", tick.epoch], ["took", `${tick.ms} ms`]);
    return rows;
  }
  let shown = null;
  function describe(index) {
    if (index === shown) return;
    shown = index;
    const tick = ticks.get(index), list = $("moment");
    list.replaceChildren();
    for (const [name, value] of tick ? facts(tick) : [["micro-turn", `${index}: nothing kept`]]) {
      const term = document.createElement("dt"), text = document.createElement("dd");
      term.textContent = name;
      text.textContent = value;
      list.append(term, text);
    }
  }
  const indexAt = (time) => Math.floor((time + data.start_s) / data.tick_s + 1e-6);
  function column(index) {
    $("cursor").setAttribute("x", (index * data.tick_s - data.start_s) * scale);
    $("cursor").setAttribute("width", data.tick_s * scale);
    describe(index);
  }
  const utterances = [...document.querySelectorAll("#transcript li")].map((li) => [li, +li.dataset.start, +li.dataset.end]);
  function show(time, scrolling) {
    at = time;
    const x = time * scale;
    $("head").setAttribute("x1", x);
    $("head").setAttribute("x2", x);
    $("time").textContent = `${(time + data.start_s).toFixed(1)} s`;
    column(Math.min(indexAt(time), data.last));
    const absolute = time + data.start_s;
    for (const [li, a, b] of utterances) li.classList.toggle("now", a <= absolute && absolute < b);
    if (scrolling && (x < scroll.scrollLeft + 20 || x > scroll.scrollLeft + scroll.clientWidth - 40)) scroll.scrollLeft = x - 120;
  }

  const timeOf = (event) => (event.clientX - svg.getBoundingClientRect().left) / scale;
  svg.addEventListener("pointermove", (event) => { if (!playing()) column(Math.min(data.last, Math.max(0, indexAt(timeOf(event))))); });
  svg.addEventListener("pointerleave", () => show(at, false));
  svg.addEventListener("click", (event) => seek(timeOf(event)));
  scroll.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoom(scale * Math.exp(-event.deltaY / 300), timeOf(event));
  }, { passive: false });
  play.addEventListener("click", toggle);
  $("closer").addEventListener("click", () => zoom(scale * 1.5));
  $("farther").addEventListener("click", () => zoom(scale / 1.5));
  $("whole").addEventListener("click", () => zoom((scroll.clientWidth - 44) / data.seconds));
  $("transcript").addEventListener("click", (event) => {
    const li = event.target.closest("li");
    if (li) seek(+li.dataset.start - data.start_s);
  });
  document.addEventListener("keydown", (event) => {
    if (event.target.matches("input, #play") && event.key === " ") return;
    const act = { " ": toggle, ArrowLeft: () => seek(at - data.tick_s), ArrowRight: () => seek(at + data.tick_s),
      "+": () => zoom(scale * 1.5), "-": () => zoom(scale / 1.5), Home: () => seek(0), End: () => seek(data.seconds) }[event.key];
    if (act && !event.ctrlKey && !event.metaKey && !event.altKey) { event.preventDefault(); act(); }
  });
  zoom(Math.max(scale, (scroll.clientWidth - 44) / data.seconds));
  show(0, false);
}
