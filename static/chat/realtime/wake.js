/**
 * Tells when the world outside the page changed so that a connection should be looked at.
 *
 * Events: `online` and `offline` (the browser says so), `visible` (the user is back at the page), `restored` (the page
 * came back whole from the browser's memory) and `slept` (the machine slept: an open socket may be dead unnoticed). Outside
 * a browser only the last one is told.
 */

const CHECK_MS = 10_000;
/** More than the once a minute to which browsers slow the timers of a hidden tab. */
const SLEPT_MS = 90_000;

export class Wake extends EventTarget {
  #abort = new AbortController();
  #aliveAt = Date.now();
  #timer;
  isRunning = false;

  /** Nobody looks at the page. */
  get hidden() {
    return globalThis.document?.hidden ?? false;
  }

  get offline() {
    return globalThis.navigator?.onLine === false;
  }

  /** Once in its life. */
  start() {
    this.isRunning = true;
    this.#timer = setInterval(() => this.#check(), CHECK_MS);
    if (!globalThis.document) return;
    const { signal } = this.#abort;
    window.addEventListener("online", () => this.#tell("online"), { signal });
    window.addEventListener("offline", () => this.#tell("offline"), { signal });
    window.addEventListener("pageshow", ({ persisted }) => persisted && this.#tell("restored"), { signal });
    document.addEventListener("visibilitychange", () => document.hidden || this.#tell("visible"), { signal });
  }

  stop() {
    this.isRunning = false;
    this.#abort.abort();
    clearInterval(this.#timer);
  }

  /** A timer that is late by far means sleep. */
  #check() {
    const slept = Date.now() - this.#aliveAt > SLEPT_MS;
    this.#aliveAt = Date.now();
    if (slept) this.#tell("slept");
  }

  #tell(type) {
    this.dispatchEvent(new Event(type));
  }
}
