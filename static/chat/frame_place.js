/**
 * Which session a frame shows, in place of an address, and which ones it showed before: kept for the next page of the site around
 * it, each with its secret, by which a guest comes back, and the minute in which it began. Not a word of them is kept.
 *
 * They lie in a partitioned cookie of the frame's own: browsers that give a frame neither cookies nor storage allow that one, and
 * keep it apart for each site around. Over plain http there is none, and the conversations last as long as the page.
 */

const YEAR_S = 365 * 24 * 3600;
const MINUTE_MS = 60_000;
const SHAPE = /^([\w.~-]{1,128}):([\w-]{1,128})(?::([0-9a-z]{1,8}))?$/;
/** As many as a cookie holds. */
const MOST_KEPT = 8;
const NONE = { sessionId: "", resumeToken: "", at: "" };
const NEW = "new";

export class FramePlace extends EventTarget {
  /** The one that was shown last first. */
  #kept = [];
  #isNew = true;
  #dropped = new Set();

  constructor({ homeUrl, assistant = "" }) {
    super();
    this.homeUrl = homeUrl;
    this.name = `chat_frame_${assistant || "default"}`;
    const { kept, isNew } = this.#read();
    this.#kept = kept;
    this.#isNew = isNew;
    document.addEventListener("click", (event) => this.#onClick(event));
  }

  get sessionId() {
    return this.#shown.sessionId;
  }

  get resumeToken() {
    return this.#shown.resumeToken;
  }

  /** Those that are not shown: {sessionId, at}, `at` as an ISO time or "". */
  get others() {
    return this.#kept.filter((one) => one !== this.#shown).map(({ sessionId, at }) => ({ sessionId, at: isoOf(at) }));
  }

  of() {
    return this.homeUrl;
  }

  settle(sessionId, resumeToken) {
    const at = Math.floor(Date.now() / MINUTE_MS).toString(36);
    this.#kept = [{ sessionId, resumeToken, at }, ...this.#kept];
    this.#isNew = false;
    this.#keep();
  }

  /** To a new session; from there one can go back. */
  home() {
    this.#isNew = true;
    this.#moved();
  }

  /** To one of `others`. */
  go(sessionId) {
    const wanted = this.#kept.find((one) => one.sessionId === sessionId);
    if (!wanted) return;
    this.#kept = [wanted, ...this.#kept.filter((one) => one !== wanted)];
    this.#isNew = false;
    this.#moved();
  }

  /** The one that is shown is not there any more, or is not theirs who are there now. */
  drop() {
    this.#dropped.add(this.sessionId);
    this.#kept = this.#kept.filter((one) => one !== this.#shown);
    this.home();
  }

  get #shown() {
    return (!this.#isNew && this.#kept[0]) || NONE;
  }

  #moved() {
    this.#keep();
    this.dispatchEvent(new Event("move"));
  }

  #onClick(event) {
    if (event.target.closest?.("a[href]")?.getAttribute("href") !== this.homeUrl) return;
    event.preventDefault();
    this.home();
  }

  #read() {
    const cookie = document.cookie.split("; ").find((one) => one.startsWith(`${this.name}=`));
    const parts = cookie?.slice(this.name.length + 1).split("|") ?? [];
    const found = parts.map((part) => SHAPE.exec(part)).filter(Boolean);
    const kept = found.map(([, sessionId, resumeToken, at = ""]) => ({ sessionId, resumeToken, at })).slice(0, MOST_KEPT);
    return { kept, isNew: kept.length === 0 || parts[0] === NEW };
  }

  /** Another page of the site may have written there since: what it began is kept, too. */
  look() {
    const known = new Set([...this.#dropped, ...this.#kept.map(({ sessionId }) => sessionId)]);
    const theirs = this.#read().kept.filter(({ sessionId }) => !known.has(sessionId));
    const [first, ...rest] = [...this.#kept, ...theirs];
    const byAge = [...rest].sort((one, other) => minuteOf(other) - minuteOf(one));
    const newest = new Set(byAge.slice(0, MOST_KEPT - 1));
    this.#kept = first ? [first, ...rest.filter((one) => newest.has(one))] : [];
  }

  #keep() {
    this.look();
    const parts = this.#kept.map(({ sessionId, resumeToken, at }) => `${sessionId}:${resumeToken}${at && `:${at}`}`);
    const value = [...(this.#isNew ? [NEW] : []), ...parts].join("|");
    const seconds = this.#kept.length ? YEAR_S : 0;
    document.cookie = `${this.name}=${value}; Path=${this.homeUrl}; Max-Age=${seconds}; SameSite=None; Secure; Partitioned`;
  }
}

function minuteOf({ at }) {
  return parseInt(at || "0", 36);
}

function isoOf(minute) {
  return minute && new Date(parseInt(minute, 36) * MINUTE_MS).toISOString();
}
