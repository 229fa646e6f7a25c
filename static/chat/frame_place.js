/**
 * Which session a frame shows, in place of an address: kept for the next page of the site around it, with the session's secret,
 * by which a guest comes back.
 *
 * It lies in a partitioned cookie of the frame's own: browsers that give a frame neither cookies nor storage allow that one, and
 * keep it apart for each site around. Over plain http there is none, and the conversation lasts as long as the page.
 */

const YEAR_S = 365 * 24 * 3600;
const SHAPE = /^[\w.~-]{1,128}:[\w-]{1,128}$/;

export class FramePlace extends EventTarget {
  #kept = { sessionId: "", resumeToken: "" };

  constructor({ homeUrl, assistant = "" }) {
    super();
    this.homeUrl = homeUrl;
    this.name = `chat_frame_${assistant || "default"}`;
    this.#kept = this.#read();
    document.addEventListener("click", (event) => this.#onClick(event));
  }

  get sessionId() {
    return this.#kept.sessionId;
  }

  get resumeToken() {
    return this.#kept.resumeToken;
  }

  of() {
    return this.homeUrl;
  }

  settle(sessionId, resumeToken) {
    this.#keep({ sessionId, resumeToken }, YEAR_S);
  }

  /** To a new session. */
  home() {
    this.#keep({ sessionId: "", resumeToken: "" }, 0);
    this.dispatchEvent(new Event("move"));
  }

  #onClick(event) {
    if (event.target.closest?.("a[href]")?.getAttribute("href") !== this.homeUrl) return;
    event.preventDefault();
    this.home();
  }

  #read() {
    const cookie = document.cookie.split("; ").find((one) => one.startsWith(`${this.name}=`));
    const value = cookie?.slice(this.name.length + 1) ?? "";
    const [sessionId, resumeToken] = SHAPE.test(value) ? value.split(":") : ["", ""];
    return { sessionId, resumeToken };
  }

  #keep(kept, seconds) {
    this.#kept = kept;
    const value = `${kept.sessionId}:${kept.resumeToken}`;
    document.cookie = `${this.name}=${value}; Path=${this.homeUrl}; Max-Age=${seconds}; SameSite=None; Secure; Partitioned`;
  }
}
