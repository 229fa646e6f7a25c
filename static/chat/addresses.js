/** Which session the address names, and moving between sessions without loading the page again. */

export class Addresses extends EventTarget {
  #path = window.location.pathname;

  /** `sessionUrl`: the address of a session, with SESSION_ID in its place; `elsewhere(id, assistant)`: that of another assistant's. Event: `move`, when the address changed. */
  constructor({ homeUrl, sessionUrl, assistant = "", elsewhere }) {
    super();
    this.elsewhere = elsewhere;
    this.homeUrl = homeUrl;
    this.assistant = assistant;
    [this.prefix, this.suffix] = sessionUrl.split("SESSION_ID");
    window.addEventListener("popstate", () => this.#path !== window.location.pathname && this.#moved());
    document.addEventListener("click", (event) => this.#onClick(event));
  }

  /** The session's id; empty for a new one. */
  get sessionId() {
    const { pathname } = window.location;
    if (!pathname.startsWith(this.prefix)) return "";
    return decodeURIComponent(pathname.slice(this.prefix.length, pathname.length - this.suffix.length));
  }

  /** `assistant`: whom the session was begun with; left out: whom this page is of. */
  of(sessionId, assistant = this.assistant) {
    if (assistant !== this.assistant) return this.elsewhere(sessionId, assistant); // a page of its own, in the other's look
    return this.prefix + encodeURIComponent(sessionId) + this.suffix;
  }

  /** The new session has an address from now on. */
  settle(sessionId) {
    if (this.sessionId === sessionId) return;
    history.replaceState(null, "", this.of(sessionId));
    this.#path = window.location.pathname;
  }

  /** To a new session; what was open cannot be gone back to. */
  home() {
    history.replaceState(null, "", this.homeUrl);
    this.#moved();
  }

  #onClick(event) {
    const link = event.target.closest?.("a[href]");
    if (
      !link ||
      link.target ||
      event.button ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey
    )
      return;
    const path = link.getAttribute("href");
    if (path !== this.homeUrl && !path.startsWith(this.prefix)) return;
    event.preventDefault();
    history.pushState(null, "", path);
    this.#moved();
  }

  #moved() {
    this.#path = window.location.pathname;
    this.dispatchEvent(new Event("move"));
  }
}
