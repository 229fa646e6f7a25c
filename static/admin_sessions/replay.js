// A session played as it went: the steps of its log at their times, faster where one likes. What people wrote goes in as text
// alone, what a model wrote as the transcript has it. Speed and pauses stand in the address, and so does the place where one stopped.

import { reach } from "./reach.js";

const PAUSE_MS = 3_000;
const LEAP_MS = 5_000;
const MARKED = { said: "said", tool: "tool", failed: "failed", cut: "cut", back: "back", bad: "bad" };

const root = document.getElementById("replay");
const byId = (id) => document.getElementById(id);
const [play, speed, short, place, time, stage, marks, cuts] = ["rp-play", "rp-speed", "rp-short", "rp-place", "rp-time", "rp-stage", "rp-marks", "rp-cuts"].map(byId);

let steps = [];
let visitor = "";
let at = [];
let leftOut = [];
let whole = 0;
let now = 0;
let shown = 0;
let last = null;
let frame = 0;

const el = (tag, className, text = "") => Object.assign(document.createElement(tag), { className, textContent: text });

// Time

/** When each step comes: as it was, or with pauses cut short. */
function lay() {
  at = [];
  leftOut = [];
  let when = 0;
  let before = 0;
  for (const { ms } of steps) {
    const gap = Math.max(0, ms - before);
    const taken = short.checked ? Math.min(gap, PAUSE_MS) : gap;
    leftOut.push(gap - taken);
    when += taken;
    before = Math.max(before, ms);
    at.push(when);
  }
  whole = when;
  const count = leftOut.filter(Boolean).length;
  const sum = leftOut.reduce((one, other) => one + other, 0);
  cuts.textContent = count ? `${count === 1 ? "One pause is" : `${count} pauses are`} cut: ${lasting(sum)} left out.` : "";
}

function clock(ms) {
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

function lasting(ms) {
  const seconds = Math.round(ms / 1000);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min ${seconds % 60} s` : `${Math.max(seconds, 1)} s`;
}

// The stage

let nodes = new Map();
let texts = new Map();
let pages = new Map();

/** Who, when, and the way to the same place of the transcript. */
function head(words, step) {
  const node = el("header", "");
  const link = el("a", "rp-there", "In the transcript");
  link.href = `${root.dataset.transcript}hit=${step.seq}&replay=${step.seq}`;
  node.append(el("span", "", words), el("time", "", step.time ?? ""), link);
  return node;
}

function answer(step) {
  if (!nodes.has(step.answer)) {
    const node = el("article", "sx-said sx-answer");
    node.append(head("Assistant", step));
    nodes.set(step.answer, node);
    stage.append(node);
  }
  return nodes.get(step.answer);
}

const nameAnswer = (step, words) => (answer(step).querySelector("header span").textContent = words);

function bubble(step) {
  if (nodes.has(step.item)) return;
  const node = el("div", "sx-bubble");
  nodes.set(step.item, node);
  answer(step).append(node);
}

function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text; // no JSON, or cut
  }
}

/** What was sent along, as the transcript has it. */
function files(all) {
  const list = el("ul", "sx-files");
  for (const file of all) {
    const link = Object.assign(el("a", "sx-file"), { href: file.url, target: "_blank", rel: "noopener" });
    if (file.width) link.append(Object.assign(el("img", ""), { src: file.url, alt: "", width: file.width, height: file.height }));
    link.append(el("span", "sx-file-name", file.name));
    const item = el("li", "");
    item.append(link);
    list.append(item);
  }
  return list;
}

function badge(node, words, tone) {
  Object.assign(node.querySelector(".sx-badge"), { textContent: words, className: `sx-badge sx-${tone}` });
}

const SHOW = {
  said(step) {
    const node = el("article", `sx-said ${step.who ? "sx-operator" : "sx-user"}${step.whispered ? " sx-whisper" : ""}`);
    const who = step.who ? (step.whispered ? `${step.who}, to the model alone` : step.who) : visitor;
    node.append(head(who, step), el("div", "sx-bubble plain", step.text));
    if (step.files?.length) node.append(files(step.files));
    stage.append(node);
  },
  rated(step) {
    const rated = nodes.get(step.rates);
    const node = el("p", `${rated ? "sx-outcome rp-rated" : "sx-notice"} sx-${step.tone}`, step.text);
    if (!rated) return stage.append(node);
    for (const old of rated.parentNode.querySelectorAll(".rp-rated")) if (old.dataset.rates === step.rates) old.remove();
    node.dataset.rates = step.rates;
    rated.after(node);
  },
  start(step) {
    nameAnswer(step, step.who);
  },
  failed(step) {
    answer(step).append(el("p", "sx-outcome sx-warning", step.text));
  },
  text(step) {
    bubble(step);
    texts.set(step.item, (texts.get(step.item) ?? "") + step.text);
  },
  whole(step) {
    bubble(step);
    texts.set(step.item, step.text);
    pages.set(step.item, step.html);
    if (step.who) nameAnswer(step, `${step.who} (a person)`);
  },
  /** One that a person was asked about is called where it was asked about, also in a later answer. */
  tool(step) {
    if (nodes.has(step.call)) return badge(nodes.get(step.call), "runs", "info");
    const node = el("div", "rp-call");
    node.append(el("strong", "", step.name), el("span", "sx-badge sx-info", step.asks ? "waits for a yes" : "runs"), el("pre", "", indented(step.text)));
    nodes.set(step.call, node);
    if (step.asks) nodes.set(step.asks, node);
    answer(step).append(node);
  },
  decided(step) {
    const node = nodes.get(step.asked);
    if (node) badge(node, step.short, step.tone);
    else stage.append(el("p", `sx-notice sx-${step.tone}`, step.text));
  },
  result(step) {
    const node = nodes.get(step.call);
    if (!node) return;
    badge(node, [step.outcome, step.took].filter(Boolean).join(" in "), step.outcome === "ok" ? "success" : "danger");
    node.append(el("pre", "", indented(step.text)));
  },
  done(step) {
    const tone = step.status === "failed" ? "sx-danger" : "sx-warning";
    if (step.status !== "completed") answer(step).append(el("p", `sx-outcome ${tone}`, step.text));
  },
  notice(step) {
    stage.append(el("p", `sx-notice sx-${step.tone}`, step.text));
  },
};

function write(item) {
  const node = nodes.get(item);
  const html = pages.get(item);
  node.className = `sx-bubble ${html ? "sx-prose" : "plain"}`;
  if (html) node.innerHTML = html; // cleaned by the server
  else node.textContent = texts.get(item);
}

/** As it was at that time: on from where it is, or from the beginning. */
function show(until) {
  if (until < shown) {
    stage.replaceChildren();
    nodes = new Map();
    texts = new Map();
    pages = new Map();
    shown = 0;
  }
  const changed = new Set();
  for (; shown < until; shown++) {
    const step = steps[shown];
    if (leftOut[shown]) stage.append(el("p", "sx-notice rp-gap", `${lasting(leftOut[shown] + PAUSE_MS)} later`));
    SHOW[step.kind]?.(step);
    if (step.item) changed.add(step.item);
  }
  for (const item of changed) write(item);
  reach(stage);
  stage.scrollTop = stage.scrollHeight;
}

function countUntil(when) {
  let low = 0;
  let high = at.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (at[middle] <= when) low = middle + 1;
    else high = middle;
  }
  return low;
}

function go(when) {
  now = Math.min(Math.max(when, 0), whole);
  const until = countUntil(now);
  if (until !== shown) show(until);
  place.value = String(whole ? Math.round((now / whole) * 1000) : 0);
  const words = `${clock(now)} of ${clock(whole)}`;
  if (time.textContent !== words) time.textContent = words;
  place.setAttribute("aria-valuetext", words);
}

/** To the next thing that happened, or the one before; the pieces of a text are no steps. */
function step(forward) {
  pause();
  const stops = at.filter((_, index) => steps[index].kind !== "text");
  const next = forward ? stops.find((when) => when > now) : stops.findLast((when) => when < now);
  go(next ?? (forward ? whole : 0));
  remember();
}

// Playing

function tick(moment) {
  if (last !== null) go(now + (moment - last) * Number(speed.value));
  last = moment;
  if (now >= whole) pause();
  else frame = requestAnimationFrame(tick);
}

function start() {
  if (now >= whole) go(0);
  last = null;
  play.textContent = "Pause";
  root.dataset.playing = "1";
  frame = requestAnimationFrame(tick);
}

function pause() {
  if (!root.dataset.playing) return;
  cancelAnimationFrame(frame);
  play.textContent = "Play";
  delete root.dataset.playing;
  remember();
}

const toggle = () => (root.dataset.playing ? pause() : start());

/** In the address, so that it can be sent to somebody, and is there when the page is loaded again. */
function remember() {
  const url = new URL(location.href);
  const kept = { speed: speed.value === "1" ? "" : speed.value, pauses: short.checked ? "" : "whole", at: shown ? steps[shown - 1].seq : "" };
  for (const [name, value] of Object.entries(kept)) {
    if (value) url.searchParams.set(name, value);
    else url.searchParams.delete(name);
  }
  history.replaceState(null, "", url);
}

function mark() {
  const svg = "http://www.w3.org/2000/svg";
  const lines = steps.map((step, index) => {
    const failed = step.kind === "done" && step.status === "failed";
    const kind = step.asks ? null : MARKED[failed ? "failed" : step.mark || step.kind]; // what is asked for is not called yet
    if (!kind) return null;
    const line = document.createElementNS(svg, "rect");
    const high = ["said", "failed", "bad"].includes(kind);
    line.setAttribute("x", String(whole ? (at[index] / whole) * 997 : 0));
    line.setAttribute("width", ["failed", "bad"].includes(kind) ? "5" : "3");
    line.setAttribute("y", high ? "0" : "8");
    line.setAttribute("height", high ? "20" : "12");
    line.setAttribute("class", `rp-${kind}`);
    return line;
  });
  marks.replaceChildren(...lines.filter(Boolean));
}

/** Another length; the same step. */
function relay() {
  const index = Math.max(0, shown - 1);
  lay();
  mark();
  const until = shown;
  show(0); // the marks of what is left out are others now
  show(until);
  go(at[index] ?? 0);
  remember();
}

play.addEventListener("click", toggle);
byId("rp-back").addEventListener("click", () => step(false));
byId("rp-next").addEventListener("click", () => step(true));
short.addEventListener("change", relay);
speed.addEventListener("change", remember);
place.addEventListener("input", () => go((Number(place.value) / 1000) * whole));

addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || !steps.length) return;
  const writes = event.target.matches("input:not([type=range], [type=checkbox]), textarea, select, summary, a");
  if (writes || (event.key === " " && event.target.matches("button, [type=checkbox]"))) return;
  const keys = {
    " ": toggle,
    ".": () => step(true),
    ",": () => step(false),
    ArrowRight: () => go(now + LEAP_MS),
    ArrowLeft: () => go(now - LEAP_MS),
    Home: () => go(0),
    End: () => go(whole),
  };
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});

/** Where the address says, else with the first thing that was said. */
function open() {
  const given = new URLSearchParams(location.search);
  if ([...speed.options].some((one) => one.value === given.get("speed"))) speed.value = given.get("speed");
  short.checked = given.get("pauses") !== "whole";
  const seq = Number(given.get("at"));
  const wanted = steps.findIndex(seq ? (one) => one.seq >= seq : (one) => one.kind === "said");
  lay();
  mark();
  show(0);
  go(at[Math.max(0, wanted)] ?? 0);
}

const answerOfServer = await fetch(root.dataset.steps, { headers: { Accept: "application/json" } });
if (answerOfServer.ok) ({ steps, visitor } = await answerOfServer.json());
root.removeAttribute("aria-busy");
root.hidden = steps.length === 0;
if (steps.length) open();
