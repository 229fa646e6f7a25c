/**
 * The connection to one session: connects, resumes where it stopped, and delivers what has to arrive.
 *
 * Events: `state` (detail: see `state`), `frame` (detail: a server event, in order, with no gap), `refused` (detail:
 * `{sent, error}`, a delivered event that the server did not take) and `caughtup` (the replay is through).
 */

import { START, isAfter, parsePlace, placeId } from "./place.js";

export const Phase = Object.freeze({
  CONNECTING: "connecting",
  ONLINE: "online",
  RECONNECTING: "reconnecting",
  OFFLINE: "offline",
  ENDED: "ended",
  STOPPED: "stopped",
});

const SUBPROTOCOL = "realtime";
const OPEN_TIMEOUT_MS = 15_000;
const STABLE_MS = 5_000;
const QUIET_MS = 250;
const CATCH_UP_MOST_MS = 2_000;
const SLEEP_CHECK_MS = 10_000;
/** More than the once a minute to which browsers slow the timers of a hidden tab. */
const SLEPT_MS = 90_000;

const NORMAL_END = 1000;
const FRAME_TOO_LARGE = 1009;
/** Codes after which trying again by itself would not help. */
const STOP_CODES = new Set([4400, 4401, 4403, 4404]);
/** The least wait before the next attempt, where the server asked for patience. */
const LEAST_WAIT_MS = { 1013: 2_000, 4429: 10_000 };

/** The wait before attempt n (from 0): doubled each time, half of it random, so that clients do not come all at once. */
export function backoffMs(attempt, closeCode, random = Math.random) {
  const most = closeCode === 4429 ? 60_000 : 15_000;
  const step = Math.max(500, LEAST_WAIT_MS[closeCode] ?? 0);
  const full = Math.min(most, step * 2 ** Math.min(attempt, 10));
  return full / 2 + (full / 2) * random();
}

export class RealtimeClient extends EventTarget {
  #baseUrl;
  #outbox;
  #sessionId;
  #place;
  #socket = null;
  #attempt = 0;
  #timers = {};
  #lastError = null;
  #replayed = false;
  #aliveAt = Date.now();
  #phase = Phase.CONNECTING;
  #detail = {};

  /** `sessionId` empty: a new session; else the whole session is replayed first. */
  constructor({ baseUrl, sessionId = "", outbox }) {
    super();
    this.#baseUrl = baseUrl;
    this.#outbox = outbox;
    this.#sessionId = sessionId;
    this.#place = START;
    if (sessionId) outbox.bind(sessionId);
  }

  get sessionId() {
    return this.#sessionId;
  }

  /** `{phase, code?, message?, resumed?}`; code and message are those of the close that led there. */
  get state() {
    return { phase: this.#phase, ...this.#detail };
  }

  start() {
    window.addEventListener("online", this.#onOnline);
    window.addEventListener("offline", this.#onOffline);
    window.addEventListener("pageshow", this.#onPageShow);
    document.addEventListener("visibilitychange", this.#onVisible);
    this.#timers.sleep = setInterval(this.#checkSleep, SLEEP_CHECK_MS);
    this.#connect();
  }

  stop() {
    window.removeEventListener("online", this.#onOnline);
    window.removeEventListener("offline", this.#onOffline);
    window.removeEventListener("pageshow", this.#onPageShow);
    document.removeEventListener("visibilitychange", this.#onVisible);
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    this.#abandon();
    this.#become(Phase.STOPPED);
  }

  /** Send now or not at all; false when there is no connection. */
  send(event) {
    if (this.#phase !== Phase.ONLINE) return false;
    this.#socket.send(JSON.stringify(event));
    return true;
  }

  /** Send now, or as soon as there is a connection, and again until the server has taken it. */
  deliver(...events) {
    for (const event of events) this.#outbox.add(event);
    this.#flush();
    if (this.#phase === Phase.ENDED) this.reconnect();
  }

  /** Drop the connection, if any, and connect at once. */
  reconnect() {
    this.#abandon();
    this.#connect();
  }

  /** Go on in a session of its own: the one that was made at first is gone, and nothing was said in it. */
  startAnew() {
    this.#sessionId = "";
    this.#place = START;
    this.#reconnectFresh();
  }

  #connect() {
    clearTimeout(this.#timers.retry);
    this.#become(this.#attempt || this.#place !== START ? Phase.RECONNECTING : Phase.CONNECTING, this.#detail);
    this.#lastError = null;
    const socket = new WebSocket(this.#address(), [SUBPROTOCOL]);
    this.#socket = socket;
    socket.onmessage = (message) => this.#receive(JSON.parse(message.data));
    socket.onclose = (close) => this.#closed(close.code, close.reason);
    this.#timers.open = setTimeout(() => this.#giveUpOn(socket), OPEN_TIMEOUT_MS);
  }

  #address() {
    if (!this.#sessionId) return this.#baseUrl;
    const query = new URLSearchParams({
      session_id: this.#sessionId,
      last_event_id: placeId(this.#sessionId, this.#place),
    });
    return `${this.#baseUrl}?${query}`;
  }

  #receive(frame) {
    this.#aliveAt = Date.now();
    if (frame.type === "session.created") this.#opened(frame);
    if (frame.type === "error") this.#onError(frame.error);
    const place = parsePlace(this.#sessionId, frame.event_id);
    if (place && isAfter(place, this.#place)) this.#place = place;
    this.#outbox.acknowledge(frame);
    this.#tell("frame", frame);
    if (this.#timers.quiet) this.#waitForQuiet();
  }

  #opened(frame) {
    clearTimeout(this.#timers.open);
    const isNew = !this.#sessionId;
    this.#sessionId = frame.session.id;
    const truncated = frame.x_stream?.truncated_to;
    if (truncated) this.#place = parsePlace(this.#sessionId, truncated) ?? this.#place;
    this.#replayed = false;
    this.#outbox.bind(this.#sessionId);
    this.#outbox.connected();
    const again = this.#phase === Phase.RECONNECTING;
    this.#become(Phase.ONLINE, { resumed: again && Boolean(frame.x_stream?.resumed) });
    this.#flush();
    this.#timers.stable = setTimeout(() => (this.#attempt = 0), STABLE_MS);
    this.#timers.latest = setTimeout(() => this.#caughtUp(), CATCH_UP_MOST_MS);
    if (isNew) this.#caughtUp();
    else this.#waitForQuiet();
  }

  /** The server does not say where the replay ends and the present begins: the first pause tells. */
  #waitForQuiet() {
    clearTimeout(this.#timers.quiet);
    this.#timers.quiet = setTimeout(() => this.#caughtUp(), QUIET_MS);
  }

  #caughtUp() {
    clearTimeout(this.#timers.quiet);
    clearTimeout(this.#timers.latest);
    this.#timers.quiet = this.#timers.latest = null;
    this.#replayed = true;
    this.#flush();
    this.#tell("caughtup", this.state);
  }

  /** What may have arrived over an earlier socket waits for the replay, which tells. */
  #flush() {
    if (!this.#replayed && this.#outbox.hasDoubtful) return;
    for (const event of this.#outbox.unsent) {
      if (this.send(event)) this.#outbox.sent(event);
    }
  }

  #onError(error) {
    this.#lastError = error;
    const sent = error.event_id && this.#outbox.refuse(error.event_id);
    if (sent) this.#tell("refused", { sent, error });
  }

  #closed(code, reason) {
    this.#forgetSocket();
    const detail = { code, message: this.#lastError?.message ?? reason };
    if (code === NORMAL_END) this.#become(Phase.ENDED, detail);
    else if (STOP_CODES.has(code)) this.#become(Phase.STOPPED, detail);
    else this.#retry(code, detail);
  }

  #retry(code, detail) {
    if (code === FRAME_TOO_LARGE) this.#refuseAll("The message is too long.");
    if (navigator.onLine === false) {
      this.#become(Phase.OFFLINE, detail);
      return; // the `online` event goes on from here
    }
    this.#become(Phase.RECONNECTING, detail);
    if (code === 4408 && document.hidden) return; // nobody looks: `visibilitychange` goes on from here
    this.#timers.retry = setTimeout(() => this.#connect(), backoffMs(this.#attempt, code));
    this.#attempt += 1;
  }

  /** What was sent would close every next connection again, so it is given back. */
  #refuseAll(message) {
    for (const sent of this.#outbox.clear()) {
      this.#tell("refused", { sent, error: { code: "message_too_large", message, x_retryable: false } });
    }
  }

  #giveUpOn(socket) {
    if (socket !== this.#socket) return;
    this.#abandon();
    this.#retry(1006, { code: 1006, message: "The server did not answer." });
  }

  #abandon() {
    const socket = this.#socket;
    this.#forgetSocket();
    socket?.close();
  }

  #forgetSocket() {
    for (const name of ["open", "stable", "quiet", "latest", "retry"]) {
      clearTimeout(this.#timers[name]);
      this.#timers[name] = null;
    }
    if (this.#socket) this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket = null;
  }

  #onOnline = () => {
    if (this.#isTrying()) this.#reconnectFresh();
  };

  #onOffline = () => {
    if (this.#phase === Phase.RECONNECTING) this.#become(Phase.OFFLINE, this.#detail);
  };

  #onVisible = () => {
    const waiting = this.#phase === Phase.RECONNECTING && !this.#socket && this.#detail.code !== 4429;
    if (!document.hidden && waiting) this.#reconnectFresh();
  };

  #onPageShow = (event) => {
    if (event.persisted && this.#isTrying()) this.#reconnectFresh();
  };

  /** A timer that is late by far means that the machine slept; then the socket may be dead without knowing. */
  #checkSleep = () => {
    const late = Date.now() - this.#aliveAt > SLEPT_MS;
    this.#aliveAt = Date.now();
    if (late && this.#phase === Phase.ONLINE && !document.hidden) this.#reconnectFresh();
  };

  #isTrying() {
    return this.#phase !== Phase.STOPPED && this.#phase !== Phase.ENDED;
  }

  #reconnectFresh() {
    this.#attempt = 1; // a first attempt was made before: this one is a reconnect, and not to be waited for
    this.reconnect();
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
