/** In a frame: the way back to the conversations that one had here before. */

import { el } from "./dom.js";
import { fullTime } from "./format.js";
import { gettext } from "./words.js";

export class FrameList {
  /** By session; what they were about is known as long as the page is there. */
  #titles = new Map();

  /** `place`: a `FramePlace`. */
  constructor({ button, menu, place }) {
    Object.assign(this, { button, menu, place });
    button.addEventListener("click", () => this.#show(menu.hidden));
    document.addEventListener("click", ({ target }) => !button.contains(target) && this.#show(false));
    document.addEventListener("keydown", (event) => this.#onKey(event), { capture: true });
  }

  /** The one that is shown begins with these words. */
  name(sessionId, title) {
    if (sessionId && title) this.#titles.set(sessionId, title);
    this.button.hidden = this.place.others.length === 0;
  }

  /** Somebody else is there. */
  forget() {
    this.#titles.clear();
  }

  #show(open) {
    if (open) this.place.look();
    if (open) this.menu.replaceChildren(...this.place.others.map((one) => this.#entry(one)));
    this.menu.hidden = !open;
    this.button.setAttribute("aria-expanded", String(open));
    if (open) this.menu.querySelector("button")?.focus();
  }

  #entry({ sessionId, at }) {
    const title = this.#titles.get(sessionId) ?? gettext("Conversation");
    const time = at ? el("time", { datetime: at, text: fullTime(at) }) : null;
    const go = () => this.place.go(sessionId);
    return el("button", { type: "button", on: { click: go } }, el("span", { class: "frame-list-title", dir: "auto", text: title }), time);
  }

  #onKey(event) {
    if (event.key !== "Escape" || this.menu.hidden) return;
    event.stopPropagation(); // it stops no answer, and closes no frame
    this.#show(false);
    this.button.focus();
  }
}
