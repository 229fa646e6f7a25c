/** Keeps the end of the conversation in view, until the user scrolls away from it. */

const NEAR_PX = 48;

export class Follow {
  /** False: there is nothing to follow yet. */
  active = false;
  #following = true;
  #lastTop = 0;

  constructor({ scroller, content, button }) {
    this.scroller = scroller;
    this.button = button;
    scroller.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    button.addEventListener("click", () => this.jump());
    const watch = new ResizeObserver(() => this.#settle());
    watch.observe(content);
    watch.observe(scroller);
  }

  /** To the end, and stay there. */
  jump() {
    this.#following = true;
    this.#settle();
  }

  #gap() {
    return this.scroller.scrollHeight - this.scroller.clientHeight - this.scroller.scrollTop;
  }

  /** Upwards is the user's doing; downwards to the end means that they want to see it grow again. */
  #onScroll() {
    const top = this.scroller.scrollTop;
    if (top < this.#lastTop - 1 && this.#gap() > 1) this.#following = false;
    if (this.#gap() <= NEAR_PX && top >= this.#lastTop) this.#following = true;
    this.#lastTop = top;
    this.#showButton();
  }

  #settle() {
    if (this.#following && this.active) {
      this.scroller.scrollTop = this.scroller.scrollHeight;
      this.#lastTop = this.scroller.scrollTop;
    }
    this.#showButton();
  }

  #showButton() {
    this.button.hidden = this.#following || this.#gap() <= NEAR_PX;
  }
}
