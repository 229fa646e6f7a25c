/**
 * One session as this page has it: its connection, what was said in it, and what the user may do.
 *
 * Events: `change` (detail: the frames that brought it about), `connection` (detail: the client's state), `caughtup`,
 * and `problem` (detail: {message, retry}) for what has no place in the conversation.
 */

import { Outbox, Phase, RealtimeClient, emptyTranscript, chosenPath, filePart, newId, prepend, reduce, userMessage } from "./realtime.js";
import { Begun } from "./begun.js";
import { needsNewChat, sentence } from "./sentences.js";
import { tabStorage } from "./tab_storage.js";
import { gettext } from "./words.js";

const HIDDEN_FLUSH_MS = 250;
/** An error frame may be the reason for a close that follows it; then the close tells. */
const ERROR_PATIENCE_MS = 400;

export class ChatSession extends EventTarget {
  #frames = [];
  #scheduled = false;
  #address;
  /** By the event that changed it. */
  #ratedBefore = new Map();
  #choosing = "";
  /** Nobody was let in to it yet, and it is the same person who writes. */
  #isUnentered = true;
  /** It was made here, and nothing is in it yet. */
  #isBegun = false;
  #wantedModel = "";
  #shown = { of: null, path: null };

  /** `sessionId` empty: a new session. `resumeToken`, `token`: see `RealtimeClient`. */
  constructor({ socketUrl, sessionId, resumeToken, token, csrfToken }) {
    super();
    this.#address = sessionId;
    this.state = emptyTranscript();
    this.caughtUp = false;
    /** An answer was refused for good: only a new conversation can go on. */
    this.isOver = false;
    const path = socketUrl.slice(socketUrl.indexOf("/ws/"));
    this.begun = new Begun(path);
    const place = sessionId ? { sessionId, resumeToken } : this.begun.place;
    this.outbox = new Outbox(tabStorage());
    if (!place.sessionId) this.outbox.bind(`new${path}`);
    const access = { ...place, key: token, csrfToken };
    this.client = new RealtimeClient(socketUrl, { ...access, outbox: this.outbox });
    this.client.addEventListener("frame", ({ detail }) => this.#hear(detail));
    this.client.addEventListener("state", ({ detail }) => this.#onState(detail));
    this.client.addEventListener("refused", ({ detail }) => this.#onRefused(detail));
    this.client.addEventListener("caughtup", () => this.#onCaughtUp());
  }

  start() {
    for (const { item, x_replaces: replaces } of this.outbox.events) {
      if (item?.type === "message") this.#takeOwn(item, replaces, null); // not delivered before a reload
    }
    if (this.#address || this.outbox.events.length > 0) this.client.connect();
    else this.client.standBy();
  }

  close() {
    this.client.close();
    if (!this.#address && !this.wasUsed) this.outbox.clear(); // of a session that can be gone back to by nobody
    if (!this.#address) this.#forgetBegun();
    this.#frames = [];
  }

  /** Come in by another token from now on. */
  renew(token) {
    this.#isUnentered = false;
    this.client.key = token;
    if (!this.client.isStandingBy) this.client.resume();
  }

  /** Take out what was said to a session that let nobody in: {text, parts} of each message. */
  takeUnsaid() {
    const events = this.#isUnentered ? this.outbox.clear() : [];
    const contents = events.filter(({ item }) => item?.type === "message").map(({ item }) => item.content);
    return contents.map((content) => ({
      text: content.find(isText)?.text ?? "",
      parts: content.filter((part) => !isText(part)),
    }));
  }

  /** True where somebody said something that the server has. */
  get wasUsed() {
    return this.state.entries.some((entry) => entry.kind === "response" || entry.state === "sent");
  }

  /** True where the last message is stored but the wish for an answer got lost with the tab that had it. */
  get isUnanswered() {
    const last = this.path.entries.at(-1);
    return this.caughtUp && last?.role === "user" && last.state === "sent" && this.outbox.events.length === 0;
  }

  /** What is shown of it: see `chosenPath`. */
  get path() {
    if (this.#shown.of !== this.state.entries)
      this.#shown = { of: this.state.entries, path: chosenPath(this.state.entries) };
    return this.#shown.path;
  }

  /** The message that may be said anew, and the answer that may be asked for again: the last ones, while nothing is under way
   * (`idle`). */
  get latest() {
    const { entries } = this.path;
    const message = entries.findLast(({ kind, role }) => kind === "message" && role === "user");
    const last = entries.at(-1);
    return {
      message: message?.state === "sent" && !message.removed ? message.id : "",
      answer: isModelsWhole(last) ? last.id : "",
      idle: this.caughtUp && this.outbox.events.length === 0 && !entries.some(isUnderWay),
    };
  }

  /** Something was said before what is here. */
  get hasEarlier() {
    return this.client.hasEarlier;
  }

  /** `parts`: the files that go along; `replaces`: the message in whose place it stands. */
  say(text, parts = [], replaces = "") {
    this.#deliverMessage(contentOf(text, parts), newId("item"), replaces, new Date().toISOString());
  }

  /** The message under its old id: where it did arrive after all, the server takes it once. */
  sendAgain(entry) {
    this.#deliverMessage(contentOf(entry.text, entry.files.map(filePart)), entry.id, entry.replaces, entry.at);
  }

  /** Ask for an answer to what was said; once: until it has begun, a second wish is the same one. */
  askAgain() {
    if (!this.#isAsking) this.client.ask();
  }

  /** Have an answer that failed, or broke off, given once more; the model is not told of the first try. */
  tryAgain(entry) {
    if (!this.#isAsking) this.client.retry(entry.id);
  }

  /** Go on from another version, by an item of it. */
  choose(itemId) {
    this.#now(this.client.choose(itemId));
  }

  /** What was sent by that event is shown once the server says so; empty: it was not sent. */
  #now(eventId) {
    this.#choosing = eventId;
    if (eventId) return;
    this.#tell("problem", { message: gettext("Not connected: try again in a moment.") });
    this.#tell("change", []);
  }

  /** That answers from now on; empty: whoever does unless one is chosen. */
  get model() {
    return this.state.model || this.#wantedModel;
  }

  /** Have another one answer from now on. */
  chooseModel(model) {
    if (this.client.isStandingBy) this.client.model = this.#wantedModel = model;
    else this.#now(this.client.useModel(model));
  }

  /** Say yes or no to a tool call that waits for it. */
  decide(item, approve) {
    this.#take({ type: "local.decision", approval_id: item.id, deciding: true });
    this.client.approve(item.id, approve);
  }

  /** Say what the user thinks of an answer; shown at once, and put right where the server refuses it. */
  rate(item, word) {
    const before = item.feedback ?? { rating: "none", reason: "", comment: "" };
    this.#take({ type: "local.feedback", item_id: item.id, ...word });
    this.#ratedBefore.set(this.client.feedback(item.id, word), before);
  }

  /** Stop the answer that runs, if one does. */
  stop() {
    if (this.state.active) this.#cancel(this.state.active);
  }

  /** Take an answer out of the queue, and the message that it would be to out of the conversation: that is returned, or null. */
  takeBack(entry) {
    if (!this.#cancel(entry.id) || entry.answers.length !== 1) return null;
    const message = this.path.entries.find(({ id, removed }) => id === entry.answers[0] && !removed);
    if (!message) return null;
    this.client.sendNow({ type: "conversation.item.delete", event_id: newId("event"), item_id: message.id });
    return message;
  }

  /** A message that was refused is not shown any more. */
  dropRefused(message) {
    this.#take({ type: "local.dropped", item_id: message.id });
  }

  /** What was said before; none: there is no more, or it did not come. */
  earlier() {
    return this.client.earlier();
  }

  /** Take it in. */
  showEarlier(events) {
    this.flush();
    this.state = prepend(this.state, events);
    this.#tell("change", []);
  }

  #cancel(responseId) {
    const isSent = this.client.stop(responseId);
    if (!isSent) this.#tell("problem", { message: gettext("Not connected: the answer cannot be stopped now.") });
    return isSent;
  }

  /** Take in what came since the last change. */
  flush() {
    this.#scheduled = false;
    const frames = this.#frames;
    this.#frames = [];
    this.state = reduce(this.state, frames);
    if (this.#isBegun && this.wasUsed) this.#forgetBegun();
    this.#tell("change", frames);
  }

  get #isAsking() {
    return this.outbox.events.some((waiting) => waiting.type === "response.create");
  }

  #deliverMessage(content, itemId, replaces, at) {
    this.#takeOwn(userMessage(content, itemId).item, replaces, at);
    this.client.send(content, itemId, replaces);
  }

  #takeOwn(item, replaces, at) {
    this.#take({ type: "local.message", item: { ...item, x_replaces: replaces }, at });
  }

  /** What was there before is shown at once when all of it is here, not picture by picture as it comes in. */
  #hear(frame) {
    if (frame.type === "error" && [undefined, null, "", this.#choosing].includes(frame.error.event_id))
      this.#onError(frame.error);
    this.#frames.push(frame);
    if (this.caughtUp) this.#schedule();
  }

  #take(frame) {
    this.#frames.push(frame);
    this.#schedule();
  }

  /** With the next picture; a hidden page paints none, but its frames must not pile up. */
  #schedule() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    const flush = () => this.#scheduled && this.flush();
    if (document.hidden) setTimeout(flush, HIDDEN_FLUSH_MS);
    else requestAnimationFrame(flush);
  }

  #onState(state) {
    const isGone = state.phase === Phase.STOPPED && state.code === 4404;
    if (isGone && this.client.sessionId && !this.#address && !this.wasUsed) {
      this.client.startAnew();
      return;
    }
    if (state.phase === Phase.ONLINE) this.#onEntered();
    this.#tell("connection", state);
    if (state.phase === Phase.STOPPED) this.#onCaughtUp();
  }

  #onEntered() {
    this.#isUnentered = false;
    this.#isBegun = !this.#address && !this.wasUsed;
    if (this.#isBegun) this.begun.keep(this.client.place);
  }

  #forgetBegun() {
    this.#isBegun = false;
    this.begun.forget();
  }

  #onCaughtUp() {
    this.flush(); // what was there has been told: nothing of it happens now
    this.caughtUp = true;
    this.#tell("change", []);
    this.#tell("caughtup");
  }

  #onRefused({ sent, error }) {
    const { code, x_retryable: retryable } = error;
    const message = sentence(code);
    this.isOver = needsNewChat(code);
    const before = this.#ratedBefore.get(sent.event_id);
    if (before) this.#take({ type: "local.feedback", item_id: sent.item_id, ...before });
    const asked = sent.item?.approval_request_id;
    if (asked) {
      this.#take({ type: "local.decision", approval_id: asked, deciding: false });
      this.#tell("problem", { message });
    } else if (sent.item) this.#take({ type: "local.refused", item_id: sent.item.id, message, retryable });
    else this.#tell("problem", { message, retry: retryable ? () => this.client.deliver(sent) : null });
  }

  #onError({ code }) {
    setTimeout(() => {
      if (this.client.state.phase === Phase.ONLINE) this.#tell("problem", { message: sentence(code) });
    }, ERROR_PATIENCE_MS);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

function isText({ type }) {
  return type === "input_text";
}

function contentOf(text, parts) {
  return [...(text ? [{ type: "input_text", text }] : []), ...parts];
}

/** Nothing can be said anew, or asked for again, before it has come to its end. */
function isUnderWay({ kind, state, status, items = [] }) {
  if (kind === "message") return state === "pending";
  const waits = items.some((item) => item.kind === "approval" && item.approved === null);
  return status === "queued" || status === "in_progress" || waits;
}

/** An answer that a model gave whole. */
function isModelsWhole(entry) {
  return entry?.kind === "response" && entry.status === "completed" && !entry.person && !entry.id.startsWith("told_");
}
