/** What was said before, page by page as the user scrolls upwards; what they read stays where it is. */

import { announce } from "./dom.js";
import { gettext } from "./words.js";

/** So near to the top the next page is fetched. */
const NEAR_PX = 800;

export class Earlier {
  #loading = false;

  /** `button` is for the keyboard, and for whoever does not scroll; `session()` is the one that is shown. */
  constructor({ scroller, content, button, session }) {
    Object.assign(this, { scroller, content, button, session });
    scroller.addEventListener("scroll", () => this.look(), { passive: true });
    button.addEventListener("click", () => this.#load({ byHand: true }));
  }

  /** Fetch the next page where its end is near, or where what is there does not fill the screen. */
  look() {
    const { hasEarlier, caughtUp } = this.session();
    this.button.hidden = !hasEarlier;
    if (hasEarlier && caughtUp && this.scroller.scrollTop < NEAR_PX) this.#load({ byHand: false });
  }

  async #load({ byHand }) {
    if (this.#loading) return;
    this.#loading = true;
    const session = this.session();
    const first = this.content.querySelector("[data-id]");
    const topBefore = first?.getBoundingClientRect().top;
    const found = await session.showEarlier();
    this.#loading = false;
    if (session !== this.session()) return;
    this.button.hidden = !session.hasEarlier;
    if (!found) return;
    if (first?.isConnected) this.scroller.scrollTop += first.getBoundingClientRect().top - topBefore;
    if (byHand) announce(gettext("Earlier messages are shown above."));
    requestAnimationFrame(() => this.look());
  }
}
