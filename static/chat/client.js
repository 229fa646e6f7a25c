/**
 * The connection to one session: connects, resumes where it stopped, and delivers what has to arrive.
 *
 * Events: `state` (detail: see `state`), `frame` (detail: a server event, in order, with no gap), `refused` (detail:
 * `{sent, error}`, a delivered event that the server did not take) and `caughtup` (the replay is through).
 */

import { backoffMs } from "./backoff.js";
import { START, isAfter, parsePlace, placeId } from "./place.js";
import { Wake } from "./wake.js";

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
/** A browser may be wrong when it says that it is offline. */
const OFFLINE_RETRY_MS = 30_000;

const NORMAL_END = 1000;
const FRAME_TOO_LARGE = 1009;
/** Codes after which trying again by itself would not help. */
const STOP_CODES = new Set([4400, 4401, 4403, 4404]);

export class RealtimeClient extends EventTarget {
  #baseUrl;
  #outbox;
  #sessionId;
  #place;
  #resumeToken;
  #socket = null;
  #attempt = 0;
  #timers = {};
  #lastError = null;
  #replayed = false;
  #wake = new Wake();
  #phase = Phase.CONNECTING;
  #detail = {};

  /**
   * `sessionId` empty: a new session; else the whole session is replayed first. `resumeToken`: the session's secret, of whoever
   * comes back without a cookie. `token`: by which one comes in, where that is no cookie; may be set anew. `baseUrl` may have a
   * query.
   */
  constructor({ baseUrl, sessionId = "", resumeToken = "", token = "", outbox }) {
    super();
    this.token = token;
    this.#resumeToken = resumeToken;
    this.#baseUrl = baseUrl;
    this.#outbox = outbox;
    this.#sessionId = sessionId;
    this.#place = START;
    if (sessionId) outbox.bind(sessionId);
  }

  get sessionId() {
    return this.#sessionId;
  }

  get resumeToken() {
    return this.#resumeToken;
  }

  /** `{phase, code?, message?, resumed?}`; code and message are those of the close that led there. */
  get state() {
    return { phase: this.#phase, ...this.#detail };
  }

  start() {
    const again = () => this.#isTrying() && this.#reconnectFresh();
    this.#wake.addEventListener("online", again);
    this.#wake.addEventListener("restored", again);
    this.#wake.addEventListener("offline", () => this.#onOffline());
    this.#wake.addEventListener("visible", () => this.#onVisible());
    this.#wake.addEventListener("slept", () => this.#phase === Phase.ONLINE && !document.hidden && again());
    this.#wake.start();
    this.#connect();
  }

  stop() {
    this.#wake.stop();
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
    this.#resumeToken = "";
    this.#place = START;
    this.#reconnectFresh();
  }

  #connect() {
    clearTimeout(this.#timers.retry);
    this.#become(
      this.#attempt || this.#place !== START ? Phase.RECONNECTING : Phase.CONNECTING,
      this.#detail,
    );
    this.#lastError = null;
    const socket = new WebSocket(this.#address(), this.#subprotocols());
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
      history: "joined",
    });
    if (this.#resumeToken) query.set("resume_token", this.#resumeToken);
    return `${this.#baseUrl}${this.#baseUrl.includes("?") ? "&" : "?"}${query}`;
  }

  /** A browser sends no header of the page's with a socket: the token goes as OpenAI's browser clients send theirs. */
  #subprotocols() {
    return this.token ? [SUBPROTOCOL, `openai-insecure-api-key.${this.token}`] : [SUBPROTOCOL];
  }

  #receive(frame) {
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
    this.#resumeToken = frame.x_stream?.resume_token ?? "";
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
    const offline = navigator.onLine === false;
    this.#become(offline ? Phase.OFFLINE : Phase.RECONNECTING, detail);
    if (code === 4408 && document.hidden) return; // nobody looks: `visible` goes on from here
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

  #onOffline() {
    if (this.#phase === Phase.RECONNECTING) this.#become(Phase.OFFLINE, this.#detail);
  }

  /** The user looks: no reason to wait any longer, but where the server asked for it. */
  #onVisible() {
    const waits = this.#phase === Phase.RECONNECTING && !this.#socket;
    if (waits && this.#detail.code !== 4429) this.#reconnectFresh();
  }

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
