// A session played as it went: the steps of its log at their times, faster where one likes. Words go in as text alone.

const PAUSE_MS = 2_000;
const PAUSE_SHOWN_MS = 1_000;
const LEAP_MS = 5_000;
const MARKED = { said: "said", tool: "tool", failed: "failed", cut: "cut", back: "back" };

const root = document.getElementById("replay");
const byId = (id) => document.getElementById(id);
const [play, speed, short, place, time, stage, marks] = ["rp-play", "rp-speed", "rp-short", "rp-place", "rp-time", "rp-stage", "rp-marks"].map(byId);

let steps = [];
let visitor = "";
let at = [];
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
  let when = 0;
  let before = 0;
  for (const { ms } of steps) {
    const gap = Math.max(0, ms - before);
    when += short.checked && gap > PAUSE_MS ? PAUSE_SHOWN_MS : gap;
    before = Math.max(before, ms);
    at.push(when);
  }
  whole = when;
}

function clock(ms) {
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

// The stage

let nodes = new Map();
let texts = new Map();

function answer(id) {
  if (!nodes.has(id)) {
    const node = el("article", "sx-said sx-answer");
    node.append(el("header", "", "Assistant"));
    nodes.set(id, node);
    stage.append(node);
  }
  return nodes.get(id);
}

function bubble(step) {
  if (!nodes.has(step.item)) {
    const node = el("div", "sx-bubble plain");
    nodes.set(step.item, node);
    answer(step.answer).append(node);
  }
  return nodes.get(step.item);
}

const SHOW = {
  said(step) {
    const node = el("article", `sx-said ${step.who ? "sx-operator" : "sx-user"}${step.whispered ? " sx-whisper" : ""}`);
    const who = step.who ? (step.whispered ? `${step.who}, to the model alone` : step.who) : visitor;
    node.append(el("header", "", who), el("div", "sx-bubble plain", step.text));
    stage.append(node);
  },
  start(step) {
    answer(step.answer).querySelector("header").textContent = step.who;
  },
  failed(step) {
    answer(step.answer).append(el("p", "sx-outcome sx-warning", step.text));
  },
  text(step) {
    bubble(step);
    texts.set(step.item, (texts.get(step.item) ?? "") + step.text);
  },
  whole(step) {
    bubble(step);
    texts.set(step.item, step.text);
    if (step.who) answer(step.answer).querySelector("header").textContent = `${step.who} (a person)`;
  },
  tool(step) {
    const node = el("div", "rp-call");
    node.append(el("strong", "", step.name), el("span", "sx-badge sx-info", step.asks ? "waits for a yes" : "runs"), el("pre", "", step.text));
    nodes.set(step.call, node);
    answer(step.answer).append(node);
  },
  result(step) {
    const node = nodes.get(step.call);
    if (!node) return;
    const badge = node.querySelector(".sx-badge");
    badge.textContent = [step.outcome, step.took].filter(Boolean).join(" in ");
    badge.className = `sx-badge ${step.outcome === "ok" ? "sx-success" : "sx-danger"}`;
    node.append(el("pre", "", step.text));
  },
  done(step) {
    if (step.status !== "completed") answer(step.answer).append(el("p", "sx-outcome sx-warning", step.text));
  },
  notice(step) {
    stage.append(el("p", `sx-notice sx-${step.tone}`, step.text));
  },
};

/** As it was at that time: on from where it is, or from the beginning. */
function show(until) {
  if (until < shown) {
    stage.replaceChildren();
    nodes = new Map();
    texts = new Map();
    shown = 0;
  }
  const changed = new Set();
  for (; shown < until; shown++) {
    const step = steps[shown];
    SHOW[step.kind]?.(step);
    if (step.item) changed.add(step.item);
  }
  for (const item of changed) nodes.get(item).textContent = texts.get(item);
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
  cancelAnimationFrame(frame);
  play.textContent = "Play";
  delete root.dataset.playing;
}

const toggle = () => (root.dataset.playing ? pause() : start());

function mark() {
  const svg = "http://www.w3.org/2000/svg";
  const lines = steps.map((step, index) => {
    const kind = MARKED[step.mark || step.kind];
    if (!kind) return null;
    const line = document.createElementNS(svg, "rect");
    line.setAttribute("x", String(whole ? (at[index] / whole) * 997 : 0));
    line.setAttribute("width", "3");
    line.setAttribute("y", kind === "said" ? "0" : "6");
    line.setAttribute("height", kind === "said" ? "20" : "14");
    line.setAttribute("class", `rp-${kind}`);
    return line;
  });
  marks.replaceChildren(...lines.filter(Boolean));
}

function relay() {
  const index = Math.max(0, shown - 1);
  lay();
  mark();
  go(shown ? at[index] : 0);
}

play.addEventListener("click", toggle);
short.addEventListener("change", relay);
place.addEventListener("input", () => go((Number(place.value) / 1000) * whole));

addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || root.hidden) return;
  const writes = event.target.matches("input:not([type=range]), textarea, select, summary, a");
  if (writes || (event.key === " " && event.target.matches("button"))) return;
  const keys = { " ": toggle, ArrowRight: () => go(now + LEAP_MS), ArrowLeft: () => go(now - LEAP_MS), Home: () => go(0), End: () => go(whole) };
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});

const answerOfServer = await fetch(root.dataset.steps, { headers: { Accept: "application/json" } });
if (answerOfServer.ok) {
  ({ steps, visitor } = await answerOfServer.json());
  root.hidden = steps.length === 0;
  lay();
  mark();
  go(0);
}
