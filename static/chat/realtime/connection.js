/**
 * The connection to one session: connects, resumes where it stopped, notices when it is dead, and delivers what has to
 * arrive.
 *
 * Events: `state` (detail: see `state`), `frame` (detail: a server event, in order, with no gap; each is told under its own
 * type as well), `refused` (detail: `{sent, error}`, a delivered event that the server did not take) and `caughtup` (the
 * past has been told: what follows happens now).
 */

import { backoffMs } from "./backoff.js";
import { newId } from "./messages.js";
import { Outbox } from "./outbox.js";
import { START, isAfter, parsePlace, placeId } from "./place.js";
import { LOOK_EVERY_MS, Pulse, Verdict } from "./pulse.js";
import { Wake } from "./wake.js";

export const Phase = Object.freeze({
  READY: "ready",
  CONNECTING: "connecting",
  ONLINE: "online",
  RECONNECTING: "reconnecting",
  OFFLINE: "offline",
  ENDED: "ended",
  STOPPED: "stopped",
});

const SUBPROTOCOL = "realtime";
const KEY_SUBPROTOCOL = "openai-insecure-api-key.";
/** A token of HTTP (RFC 9110), which a subprotocol has to be: no runtime takes another. */
const TOKEN = /^[!#$%&'*+.^_`|~\w-]+$/;
const OPEN_TIMEOUT_MS = 15_000;
const STABLE_MS = 5_000;
/** A browser may be wrong when it says that it is offline. */
const OFFLINE_RETRY_MS = 30_000;
const EARLIER_TIMEOUT_MS = 15_000;

const NORMAL_END = 1000;
const LOST = 1006;
const FRAME_TOO_LARGE = 1009;
const CREDENTIALS = 4401;
/** Codes after which trying again by itself would not help. */
const STOP_CODES = new Set([4400, CREDENTIALS, 4403, 4404]);

export class Connection extends EventTarget {
  #url;
  #key;
  #csrfToken;
  #WebSocket;
  #outbox;
  #pulse;
  #sessionId = "";
  #resumeToken = "";
  #place = null;
  /** Before which nothing was told yet; null: nothing is there. */
  #earliest = null;
  /** @type {Promise<any[]> | null} */
  #asking = null;
  #stopWaiting = () => {};
  #socket = null;
  #fetching = null;
  #attempt = 0;
  #timers = {};
  #lastError = null;
  #replayed = false;
  /** How a connection that had come in by cookies was ended with them; others may be there by now. */
  #cookiesEnded = null;
  #answering = new Set();
  #wake = new Wake();
  /** Nothing was said yet, and no session is wanted before. */
  #standsBy = false;
  #model = "";
  #phase = Phase.CONNECTING;
  #detail = {};

  /** The options are told in `RealtimeClient`. */
  constructor(url, { sessionId = "", resumeToken = "", lastEventId = "", key = "", model = "", ...parts } = {}) {
    super();
    this.#url = url;
    this.#key = key;
    this.#model = model;
    this.#csrfToken = parts.csrfToken ?? "";
    this.#WebSocket = parts.WebSocket ?? globalThis.WebSocket;
    if (typeof this.#WebSocket !== "function")
      throw new TypeError("This runtime has no WebSocket. Give one as the option WebSocket, such as that of the package ws.");
    this.#outbox = parts.outbox ?? new Outbox();
    this.#pulse = new Pulse(parts.now);
    this.#sessionId = sessionId;
    this.#resumeToken = resumeToken;
    this.#place = parsePlace(sessionId, lastEventId);
    if (sessionId) this.#outbox.bind(sessionId);
  }

  get sessionId() {
    return this.#sessionId;
  }

  /** By which the next attempt comes in. */
  set key(key) {
    this.#key = key;
  }

  /** Of a session that is made; one that exists keeps its own. */
  set model(model) {
    this.#model = model;
  }

  /** Nothing was said yet: there is no connection, and none is wanted. */
  get isStandingBy() {
    return this.#standsBy;
  }

  get url() {
    return this.#url;
  }

  /**
   * By which a call over HTTP comes in: the key, or, beside a page's cookies, its token.
   * @returns {Promise<Record<string, string>>}
   */
  async httpHeaders() {
    const key = typeof this.#key === "function" ? await this.#key() : this.#key;
    if (key) return { Authorization: `Bearer ${key}` };
    const token = typeof this.#csrfToken === "function" ? this.#csrfToken() : this.#csrfToken;
    return token ? { "X-CSRFToken": token } : {};
  }

  /** What leads back to where this connection is, also in another process: to be given to a new one. */
  get place() {
    const lastEventId = this.#place ? placeId(this.#sessionId, this.#place) : "";
    return { sessionId: this.#sessionId, resumeToken: this.#resumeToken, lastEventId };
  }

  /** `{phase, code?, message?, resumed?}`; code and message are those of the close that led there. */
  get state() {
    return { phase: this.#phase, ...this.#detail };
  }

  /** The id of the response that is being given, or "". */
  get answering() {
    return [...this.#answering].at(-1) ?? "";
  }

  /** There is something before what was told. */
  get hasEarlier() {
    return this.#earliest !== null;
  }

  connect() {
    this.resume();
  }

  /** Connect with the first thing that is delivered: who only looks makes no session. */
  standBy() {
    this.#watch();
    this.#standsBy = true;
    this.#tellReadiness();
  }

  /** However it is begun, the first time or again: once. */
  #watch() {
    if (this.#wake.isRunning) return;
    this.#wake = new Wake();
    const again = () => this.#isTrying() && this.#reconnectFresh();
    this.#wake.addEventListener("online", again);
    this.#wake.addEventListener("restored", again);
    this.#wake.addEventListener("offline", () => this.#onOffline());
    this.#wake.addEventListener("visible", () => this.#onVisible());
    this.#wake.addEventListener("slept", () => this.#phase === Phase.ONLINE && !this.#wake.hidden && again());
    for (const word of ["online", "offline"])
      this.#wake.addEventListener(word, () => this.#standsBy && this.#tellReadiness());
    this.#wake.start();
  }

  #tellReadiness() {
    this.#become(this.#wake.offline ? Phase.OFFLINE : Phase.READY);
  }

  close() {
    this.#standsBy = false;
    this.#wake.stop();
    this.#abandon();
    this.#become(Phase.STOPPED);
  }

  /** Send now or not at all; false when there is no connection. */
  sendNow(event) {
    if (this.#phase !== Phase.ONLINE) return false;
    this.#socket.send(JSON.stringify(event));
    return true;
  }

  /** Send now, or as soon as there is a connection, and again until the server has taken it. */
  deliver(...events) {
    for (const event of events) this.#outbox.add(event);
    this.#flush();
    if (this.#standsBy || this.#phase === Phase.ENDED) this.resume();
  }

  /** Drop the connection, if any, and connect at once. */
  resume() {
    this.#watch();
    this.#abandon();
    this.#connect();
  }

  /** Go on in a session of its own: the one that was made at first is gone, and nothing was said in it. */
  startAnew() {
    this.#sessionId = "";
    this.#resumeToken = "";
    this.#place = this.#earliest = null;
    this.#reconnectFresh();
  }

  /**
   * The events of the page before what was told; none where there is nothing, or no connection. A session that has ended is
   * connected to again.
   * @returns {Promise<any[]>}
   */
  earlier() {
    if (!this.#earliest) return Promise.resolve([]);
    this.#asking ??= this.#askEarlier().finally(() => (this.#asking = null));
    return this.#asking;
  }

  async #askEarlier() {
    if (this.#phase === Phase.ENDED) await this.#comeBack(); // as the next word would
    const until = placeId(this.#sessionId, this.#earliest);
    if (!this.sendNow({ type: "x_history.get", event_id: newId("event"), until })) return [];
    const given = await this.#next("x_history.given", (frame) => frame.until === until);
    if (!given) return [];
    this.#beginAt(parsePlace(this.#sessionId, given.after));
    return given.events;
  }

  /** Into a session that has ended: its past can be read over a connection alone. */
  #comeBack() {
    this.resume();
    return this.#next("caughtup", () => true);
  }

  /** The next such frame; null where it does not come in time, or over this socket. */
  #next(type, isIt) {
    return new Promise((resolve) => {
      const take = ({ detail }) => isIt(detail) && done(detail);
      const timer = setTimeout(() => done(null), EARLIER_TIMEOUT_MS);
      const done = (frame) => {
        clearTimeout(timer);
        this.removeEventListener(type, take);
        resolve(frame);
      };
      this.addEventListener(type, take);
      this.#stopWaiting = () => done(null);
    });
  }

  #connect() {
    this.#standsBy = false;
    clearTimeout(this.#timers.retry);
    const isFirst = this.#attempt === 0 && this.#place === null;
    this.#become(this.#wake.offline ? Phase.OFFLINE : isFirst ? Phase.CONNECTING : Phase.RECONNECTING, this.#detail);
    this.#lastError = null;
    if (typeof this.#key === "function") this.#connectWithFreshKey();
    else this.#open(this.#key);
  }

  async #connectWithFreshKey() {
    const mine = (this.#fetching = {});
    const late = () => mine === this.#fetching && this.#haveNoKey();
    this.#timers.open = setTimeout(late, OPEN_TIMEOUT_MS);
    const key = await new Promise((resolve) => resolve(this.#key())).catch(() => null); // it may throw at once, too
    if (mine !== this.#fetching) return; // another attempt has begun, or it was closed
    clearTimeout(this.#timers.open);
    if (key === null) this.#haveNoKey();
    else this.#open(key);
  }

  #haveNoKey() {
    this.#fetching = null; // one that comes later is not waited for
    this.#retry(LOST, { code: LOST, message: "There is no key to connect with." });
  }

  #open(key) {
    if (key && !TOKEN.test(key)) return this.#closed(CREDENTIALS, "This is no key: it has blanks, or other signs that no key has.");
    const subprotocols = key ? [SUBPROTOCOL, KEY_SUBPROTOCOL + key] : [SUBPROTOCOL];
    const socket = new this.#WebSocket(this.#address(), subprotocols);
    this.#socket = socket;
    socket.onmessage = (message) => this.#receive(JSON.parse(message.data));
    socket.onclose = (close) => this.#closed(close.code, close.reason);
    socket.onerror = () => {}; // its close follows
    this.#timers.open = setTimeout(() => this.#giveUpOn(socket, "The server did not answer."), OPEN_TIMEOUT_MS);
  }

  #address() {
    const query = new URLSearchParams({ history: "recent" });
    if (this.#sessionId) query.set("session_id", this.#sessionId);
    else if (this.#model) query.set("model", this.#model);
    if (this.#place) query.set("last_event_id", placeId(this.#sessionId, this.#place));
    if (this.#resumeToken) query.set("resume_token", this.#resumeToken);
    return `${this.#url}${String(this.#url).includes("?") ? "&" : "?"}${query}`;
  }

  #receive(frame) {
    if (frame.type === "session.created") this.#opened(frame);
    if (frame.type === "error") this.#onError(frame.error);
    const place = parsePlace(this.#sessionId, frame.event_id);
    if (place && (!this.#place || isAfter(place, this.#place))) this.#place = place;
    this.#noteAnswer(frame);
    const isTaken = this.#outbox.acknowledge(frame);
    if (isTaken) this.#flush();
    this.#pulse.heard(isTaken || frame.type === "x_pong");
    if (frame.type === "x_pong" && this.#phase === Phase.OFFLINE) this.#onLineAfterAll();
    if (!this.#outbox.isWaiting) this.#pulse.acknowledged();
    this.#tell("frame", frame);
    this.#tell(frame.type, frame);
    if (frame.type === "x_history.done") this.#caughtUp();
  }

  #noteAnswer({ type, response }) {
    if (type === "response.created" && !response.x_queued) this.#answering.add(response.id);
    if (type === "response.done") this.#answering.delete(response.id);
  }

  #opened(frame) {
    clearTimeout(this.#timers.open);
    this.#cookiesEnded = null;
    this.#sessionId = frame.session.id;
    const stream = frame.x_stream;
    this.#resumeToken = stream?.resume_token ?? "";
    this.#stand(stream);
    this.#replayed = false;
    this.#outbox.bind(this.#sessionId);
    this.#outbox.connected();
    this.#pulse.opened();
    const again = this.#phase === Phase.RECONNECTING || this.#phase === Phase.OFFLINE;
    this.#become(Phase.ONLINE, { resumed: again && Boolean(stream?.resumed) });
    this.#flush();
    this.#timers.stable = setTimeout(() => (this.#attempt = 0), STABLE_MS);
    this.#timers.look = setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  /** Where the stream goes on: for whoever named no place, there it begins. */
  #stand(stream) {
    const from = parsePlace(this.#sessionId, stream?.last_event_id);
    if (!this.#place) {
      this.#place = from;
      this.#beginAt(from);
    }
    if (stream?.truncated_to) this.#place = parsePlace(this.#sessionId, stream.truncated_to) ?? this.#place;
    if (stream?.status === "idle") this.#answering.clear();
  }

  #beginAt(place) {
    this.#earliest = place && isAfter(place, START) ? place : null;
  }

  #caughtUp() {
    this.#replayed = true;
    this.#flush();
    this.#tell("caughtup", this.state);
  }

  /** What may have arrived over an earlier socket waits for the replay, which tells. */
  #flush() {
    if (!this.#replayed && this.#outbox.hasDoubtful) return;
    for (const event of this.#outbox.unsent) {
      if (!this.sendNow(event)) return;
      this.#outbox.sent(event);
      this.#pulse.sent();
    }
  }

  #look() {
    const verdict = this.#pulse.look({
      answering: this.#answering.size > 0,
      watched: !this.#wake.hidden,
      catchingUp: !this.#replayed,
    });
    if (verdict === Verdict.PROBE) this.#socket.send(JSON.stringify({ type: "x_ping", event_id: newId("event") }));
    if (verdict === Verdict.DEAD) this.#onDead();
  }

  /** The next attempt is not to be waited for: nobody told that this one would fail. */
  #onDead() {
    this.#abandon();
    this.#become(this.#wake.offline ? Phase.OFFLINE : Phase.RECONNECTING, {
      code: LOST,
      message: "The server has not answered for a while.",
    });
    this.#attempt = Math.max(1, this.#attempt);
    this.#connect();
  }

  #onError(error) {
    this.#lastError = error;
    const sent = error.event_id && this.#outbox.refuse(error.event_id);
    if (!sent) return;
    this.#flush();
    this.#tell("refused", { sent, error });
  }

  #closed(code, reason) {
    const wasOnline = this.#phase === Phase.ONLINE;
    this.#forgetSocket();
    const detail = { code, message: this.#lastError?.message ?? reason };
    const isKept = this.#key && typeof this.#key !== "function"; // else the next one is fresh
    const letGo = code === CREDENTIALS && wasOnline && !isKept;
    if (letGo && !this.#key) this.#cookiesEnded = detail;
    if (code === NORMAL_END) this.#become(Phase.ENDED, detail);
    else if (letGo) this.#retry(code, detail);
    else if (STOP_CODES.has(code)) this.#become(Phase.STOPPED, this.#cookiesEnded ?? detail);
    else this.#retry(code, detail);
  }

  #retry(code, detail) {
    if (code === FRAME_TOO_LARGE) this.#refuseAll("The message is too long.");
    const { offline, hidden } = this.#wake;
    this.#become(offline ? Phase.OFFLINE : Phase.RECONNECTING, detail);
    if (code === 4408 && hidden) return; // nobody looks: `visible` goes on from here
    const wait = offline ? OFFLINE_RETRY_MS : backoffMs(this.#attempt, code);
    this.#timers.retry = setTimeout(() => this.#connect(), wait);
    this.#attempt += 1;
  }

  /** What was sent would close every next connection again, so it is given back. */
  #refuseAll(message) {
    for (const sent of this.#outbox.clear()) {
      this.#tell("refused", { sent, error: { code: "message_too_large", message, x_retryable: false } });
    }
  }

  #giveUpOn(socket, message) {
    if (socket !== this.#socket) return;
    this.#abandon();
    this.#retry(LOST, { code: LOST, message });
  }

  #abandon() {
    const socket = this.#socket;
    this.#forgetSocket();
    socket?.close();
  }

  #forgetSocket() {
    clearInterval(this.#timers.look);
    for (const name of ["open", "stable", "retry"]) clearTimeout(this.#timers[name]);
    this.#timers = {};
    if (this.#socket) this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket = this.#fetching = null;
    this.#stopWaiting(); // what was asked over it is not answered over another one
  }

  /** Told at once. A line that is there all the same shows it by its answer, else it is given up. */
  #onOffline() {
    if (!this.#isTrying()) return;
    this.#become(Phase.OFFLINE, this.#detail);
    this.#pulse.doubt();
  }

  #onLineAfterAll() {
    this.#become(Phase.ONLINE);
    if (this.#replayed) this.#caughtUp();
  }

  /** The user looks: no reason to wait any longer, but where the server asked for it. */
  #onVisible() {
    const waits = this.#phase === Phase.RECONNECTING && !this.#socket;
    if (waits && this.#detail.code !== 4429) this.#reconnectFresh();
    else if (this.#phase === Phase.ONLINE) this.#pulse.doubt();
  }

  #isTrying() {
    return !this.#standsBy && this.#phase !== Phase.STOPPED && this.#phase !== Phase.ENDED;
  }

  #reconnectFresh() {
    this.#attempt = 1; // a first attempt was made before: this one is a reconnect, and not to be waited for
    this.resume();
  }

  #become(phase, detail = {}) {
    this.#phase = phase;
    this.#detail = detail;
    this.#tell("state", this.state);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
