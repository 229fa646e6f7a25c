// A session's page as it goes on. The server sends entries as the page itself is made of them, each under the seq at which it
// began: one that is there is replaced. Of a text that is being written the rest is added, as text.

import { reach } from "./reach.js";

const PING_MS = 25_000;
const RETRY_MS = [500, 1_000, 3_000, 8_000, 15_000];
const MOST_ENTRIES = 500;
const NEAR_PX = 160;
const BAR_GAP_PX = 24;

const live = document.getElementById("live");
const talk = document.querySelector(".sx-talk");
const state = { seen: Number(live.dataset.seen), first: Number(live.dataset.first), failures: 0 };
const now = { status: live.dataset.status, operator: "", here: 0, answering: false };

// The transcript

const seqOf = (node) => Number(/^seq-(\d+)$/.exec(node.id)?.[1] ?? NaN);

function entries() {
  return [...talk.children].filter((node) => !Number.isNaN(seqOf(node)));
}

function parsed(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild;
}

/** What somebody has opened, or is about to write, stays so when its entry is sent again. */
function keepAsItWas(old, fresh) {
  const open = new Map([...old.querySelectorAll("details[id]")].map((one) => [one.id, one.open]));
  for (const details of fresh.querySelectorAll("details[id]"))
    if (open.has(details.id)) details.open = open.get(details.id);
  for (const field of old.querySelectorAll('input[type="text"]')) {
    const form = field.closest("form")?.getAttribute("action");
    const same = [...fresh.querySelectorAll(`input[name="${field.name}"]`)].find(
      (one) => one.closest("form")?.getAttribute("action") === form,
    );
    if (!same) continue;
    same.value = field.value;
    if (document.activeElement === field) queueMicrotask(() => same.focus());
  }
}

function put({ seq, html }) {
  const fresh = parsed(html);
  if (!fresh) return;
  const old = entries().find((node) => seqOf(node) === seq);
  if (old) {
    keepAsItWas(old, fresh);
    old.replaceWith(fresh);
    return;
  }
  talk.querySelector(".sx-empty")?.remove();
  const next = entries().find((node) => seqOf(node) > seq);
  const last = [...talk.querySelectorAll(":scope > .sx-pager")].at(-1);
  talk.insertBefore(fresh, next ?? (last && !last.nextElementSibling ? last : null));
}

function add({ seq, text }) {
  talk.querySelector(`[data-stream="${seq}"]`)?.append(text);
}

/** What is far up is there when the page is loaded again. */
function trim() {
  const all = entries();
  for (const node of all.slice(0, Math.max(0, all.length - MOST_ENTRIES))) node.remove();
  const first = entries()[0];
  if (all.length > MOST_ENTRIES && first) state.first = seqOf(first);
}

function update(message) {
  const follows = stays;
  if (message.drop_from)
    for (const node of entries()) if (seqOf(node) >= message.drop_from) node.remove();
  for (const entry of message.entries ?? []) put(entry);
  for (const more of message.append ?? []) add(more);
  if (message.seq > state.seen) live.hidden = false;
  if (message.seq) state.seen = message.seq;
  if (message.summary) showSummary(message);
  if (message.line) showLine(message.line);
  trim();
  prepareForms(talk);
  reach(talk);
  if (follows) toEnd();
  else if (message.entries?.length) below.hidden = false;
}

/** The figures of the head. */
function showLine(facts) {
  const head = document.querySelector(".sx-head-words > p");
  for (const old of head.querySelectorAll(".sx-line")) old.remove();
  for (const { value, hint } of facts)
    head.append(Object.assign(document.createElement("span"), { className: `sx-line${hint ? ` sx-${hint}` : ""}`, textContent: value }));
}

/** Its parts alone, where they are: what is open beside them, and a form that somebody fills in, stay. */
function showSummary({ summary, heading }) {
  const fresh = parsed(summary);
  const old = document.getElementById("summary");
  const parts = ["summary-head", "summary-lead", "summary-whole"];
  const both = parts.every((id) => document.getElementById(id) && fresh.querySelector(`#${id}`));
  if (both) for (const id of parts) document.getElementById(id).replaceWith(fresh.querySelector(`#${id}`));
  else old.replaceWith(fresh);
  if (both) setText("summary-said", "");
  document.querySelector(".sx-head h2").textContent = heading;
}

// Scrolling: who reads at the end stays there, who reads above stays where they are.

const below = document.getElementById("live-below");
const scroller = document.scrollingElement;
let stays = false;

/** How far the transcript's end is below the bar. What stands under both, as the review on a narrow page, does not count. */
function leftBelow() {
  return talk.getBoundingClientRect().bottom + live.offsetHeight + BAR_GAP_PX - scroller.clientHeight;
}

function isNearEnd() {
  return leftBelow() < NEAR_PX;
}

function toEnd() {
  stays = true;
  scroller.scrollTop += Math.max(0, leftBelow());
  below.hidden = true;
}

below.addEventListener("click", toEnd);
addEventListener("scroll", () => {
  stays = isNearEnd();
  if (stays) below.hidden = true;
});

/** A font that comes late, a panel that grows by a line, a window that is turned: its end stays in sight. */
const resized = new ResizeObserver(() => stays && toEnd());
for (const node of [talk, live, document.documentElement]) resized.observe(node);

// What stands above

const acts = live.querySelector(".lv-acts");
const to = document.getElementById("live-to");
const said = document.getElementById("live-said");

function words() {
  if (now.status !== "active") return "Ended";
  const who = now.here ? "The customer is here" : "The customer is away";
  if (now.operator) return `${now.operator === live.dataset.me ? "You answer" : `${now.operator} answers`} \u00b7 ${who}`;
  return `${now.answering ? "The model is answering" : "Goes on"} \u00b7 ${who}`;
}

function setText(id, text) {
  const node = document.getElementById(id);
  if (node && node.textContent !== text) node.textContent = text;
}

const TO_CUSTOMER = "The customer reads this, as written by a person";
const TO_MODEL = "Tell the model something; the customer does not see it, but a model may repeat it";

function show(news) {
  const { operator: before, answering: answered } = now;
  Object.assign(now, news);
  if (acts && now.operator !== before) {
    resetSwitch();
    if (before === live.dataset.me && lastAct !== "hand_back") tell(acts, byAnother(), true);
  }
  if (news.answering && !answered && lastAct === "whisper") setText("live-said", ""); // the model reads it by now
  setText("live-state", words());
  live.dataset.status = now.status;
  if (now.status === "active") live.hidden = false; // its end is told here, one of long ago above
  live.classList.toggle("lv-held", Boolean(now.operator));
  if (!acts) return;
  const mine = now.operator === live.dataset.me;
  acts.hidden = now.status !== "active";
  to.hidden = !mine;
  const speaks = act() === "speak";
  acts.classList.toggle("lv-whispers", !speaks);
  const shown = { speak: speaks, whisper: !speaks, stop: now.answering, take_over: !now.operator, hand_back: Boolean(now.operator) };
  for (const button of acts.querySelectorAll("button[name=act]")) button.hidden = !shown[button.value];
  setText("live-label", speaks ? TO_CUSTOMER : TO_MODEL);
}

/** What Enter does with the words, as the switch shows it: only who has taken over is read by the customer. */
function act() {
  return now.operator === live.dataset.me ? acts.elements.to.value : "whisper";
}

/** What was begun for the model stays for it when one takes over. */
function resetSwitch() {
  acts.elements.to.value = acts.elements.text.value.trim() ? "whisper" : "speak";
}

/** What a colleague's act means for who writes here; what was told of one's own before is not true any more. */
function byAnother() {
  return now.operator
    ? `${now.operator} has taken over from you: what you write is for the model alone.`
    : "It was handed back: the model answers again, and what you write is for it alone.";
}

function showStaff(names) {
  const others = names.filter((name) => name !== live.dataset.me);
  setText("live-staff", others.length ? `Also looking: ${others.join(", ")}` : "");
}

/** The panel of the review is asked for anew where it is not of a reviewer's last act. */
function showReviewed(id) {
  if (id > Number(document.querySelector(".desk-inside").dataset.reviewed)) document.dispatchEvent(new Event("desk:stale"));
}

// What staff do: no page is loaded anew for it.

const token = () => live.querySelector("[name=csrfmiddlewaretoken]")?.value ?? document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";

function prepareForms(root) {
  for (const form of root.querySelectorAll("form.sx-decide, form.sx-again")) {
    if (form.dataset.live) continue;
    form.dataset.live = "1";
    let field = form.querySelector("[name=csrfmiddlewaretoken]");
    if (!field) {
      field = Object.assign(document.createElement("input"), { type: "hidden", name: "csrfmiddlewaretoken" });
      form.prepend(field);
    }
    field.value ||= token();
    form.addEventListener("submit", (event) => post(event, form));
  }
}

async function post(event, form) {
  event.preventDefault();
  const body = new FormData(form, event.submitter);
  const buttons = form === acts ? [] : [...form.querySelectorAll("button")]; // of these the next one waits, below
  for (const button of buttons) button.disabled = true;
  let words = "This could not be sent. Try again.";
  let went = false;
  try {
    const answer = await fetch(form.getAttribute("action"), { method: "POST", body, headers: { Accept: "application/json" } });
    if (answer.headers.get("Content-Type")?.includes("json")) words = (await answer.json()).words;
    else if (answer.status === 403) words = "You may not do this.";
    went = answer.ok;
  } catch {
    // said below
  }
  for (const button of buttons) button.disabled = false;
  tell(form, words, went);
  if (went && form === acts) renewNonce();
  if (went && form === acts && body.get("act") !== "stop") toEnd(); // where what one did stands in a moment
  if (went && form === acts && ["speak", "whisper"].includes(body.get("act"))) {
    if (acts.elements.text.value.trim() === body.get("text").trim()) acts.elements.text.value = "";
    acts.elements.text.focus();
  }
  if (went && ["take_over", "hand_back"].includes(body.get("act"))) document.dispatchEvent(new Event("desk:stale"));
  if (went && body.get("act") === "take_over") {
    acts.elements.text.focus();
    focusedAt = performance.now();
  }
}

/** The field has come by itself: the key that leads to it, from habit, is no word for the customer. */
let focusedAt = -Infinity;
const HABIT_MS = 3_000;
function isHabit({ key }) {
  const first = performance.now() - focusedAt < HABIT_MS && key !== "Shift";
  if (first) focusedAt = -Infinity;
  return first && key === acts.elements.text.dataset.focus && !acts.elements.text.value;
}

function tell(form, words, went) {
  const own = form.querySelector(".sx-again-said");
  const place = own ?? said ?? document.getElementById("live-state");
  if (!own) live.hidden = false;
  place.textContent = words;
  place.classList.toggle("lv-wrong", !went);
}

/** What is sent again because no answer came is said once; other words are something else to say. */
function renewNonce() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  acts.elements.nonce.value = [...bytes].map((one) => one.toString(16).padStart(2, "0")).join("");
}

acts?.elements.text.addEventListener("input", renewNonce);
to?.addEventListener("change", () => {
  show({});
  acts.elements.text.focus();
});

/** One act at a time: what is pressed while another is under way, as Enter right after taking over, comes after it. */
let underWay = false;
let next = null;
let lastAct = "";
acts?.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (underWay) {
    next = event.submitter;
    return;
  }
  underWay = true;
  lastAct = event.submitter?.value ?? "";
  await post(event, acts);
  underWay = false;
  const button = next;
  next = null;
  const wordless = ["speak", "whisper"].includes(button?.value) && !acts.elements.text.value.trim();
  if (button && !button.hidden && !wordless) acts.requestSubmit(button);
});
acts?.elements.text.addEventListener("keydown", (event) => {
  if (isHabit(event)) event.preventDefault();
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return; // Safari: no `isComposing` at a word's end
  event.preventDefault();
  acts.requestSubmit(acts.querySelector(`button[value=${act()}]`));
});

// The socket

function address() {
  const url = new URL(live.dataset.socket, location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  url.search = new URLSearchParams({ first: state.first, seen: state.seen });
  return url;
}

function connect() {
  const socket = new WebSocket(address());
  const ping = setInterval(() => socket.readyState === WebSocket.OPEN && socket.send("{}"), PING_MS);
  socket.addEventListener("message", ({ data }) => {
    state.failures = 0;
    live.classList.remove("lv-away");
    const message = JSON.parse(data);
    if (message.seq) update(message);
    if (message.now) show(message.now);
    if (message.staff) showStaff(message.staff);
    if (message.reviewed) showReviewed(message.reviewed);
  });
  socket.addEventListener("close", ({ code }) => {
    clearInterval(ping);
    live.classList.add("lv-away");
    if (code === 4401) {
      setText("live-state", "You are not signed in any more, or may not see this");
      return;
    }
    if (code === 4404) {
      location.reload();
      return;
    }
    setText("live-state", "The connection is lost; it is tried again");
    setTimeout(connect, RETRY_MS[Math.min(state.failures, RETRY_MS.length - 1)]);
    state.failures += 1;
  });
}

prepareForms(document);
show({});
connect();
if (now.status === "active" && !location.hash && !talk.dataset.hit) toEnd();
