/** What was said before, page by page as the user scrolls upwards; what they read stays where it is. */

import { announce } from "./dom.js";
import { gettext } from "./words.js";

/** So near to the top the next page is fetched. */
const NEAR_PX = 800;

export class Earlier {
  #loading = null;
  #going = null;

  /** `button` is for the keyboard, and for whoever does not scroll; `session()` is the one that is shown. */
  constructor({ scroller, content, button, session }) {
    Object.assign(this, { scroller, content, button, session });
    scroller.addEventListener("scroll", () => this.look(), { passive: true });
    for (const type of ["wheel", "touchmove", "pointerdown"]) {
      scroller.addEventListener(type, () => this.stay(), { passive: true });
    }
    button.addEventListener("click", () => this.#loadByHand());
  }

  /** Fetch the next page where its end is near, or where what is there does not fill the screen. */
  look() {
    const { hasEarlier, caughtUp } = this.session();
    this.button.hidden = !hasEarlier;
    if (hasEarlier && caughtUp && this.scroller.scrollTop < NEAR_PX) this.#load();
  }

  /** To the first word of all, however many pages that takes, unless the user wants to be elsewhere meanwhile. */
  async toBeginning() {
    const going = (this.#going = {});
    const session = this.session();
    let found = true;
    while (found && going === this.#going && session === this.session()) {
      this.scroller.scrollTop = 0;
      found = session.hasEarlier && (await this.#load());
    }
  }

  /** Not to the beginning after all. */
  stay() {
    this.#going = null;
  }

  async #loadByHand() {
    if (await this.#load()) announce(gettext("Earlier messages are shown above."));
  }

  /** True: there is more now. */
  #load() {
    this.#loading ??= this.#fetch().finally(() => (this.#loading = null));
    return this.#loading;
  }

  async #fetch() {
    const session = this.session();
    const events = await session.earlier();
    if (session !== this.session()) return false;
    this.button.hidden = !session.hasEarlier;
    if (events.length === 0) return false;
    this.#inPlace(() => session.showEarlier(events));
    requestAnimationFrame(() => this.look());
    return true;
  }

  /** What is read is measured when it comes, not when it is asked for: who reads goes on scrolling meanwhile, and what comes
   * near to the screen is laid out, and has its true height, only then. */
  #inPlace(show) {
    const top = this.scroller.getBoundingClientRect().top;
    const read = [...this.content.querySelectorAll("[data-id]")].find((node) => node.getBoundingClientRect().bottom > top);
    const before = read?.getBoundingClientRect().top;
    show();
    if (read?.isConnected) this.scroller.scrollTop += read.getBoundingClientRect().top - before;
  }
}
