/** Keeps the end of the conversation in view, until the user scrolls away from it. */

const NEAR_PX = 48;
/** A scroll so soon after a wheel, a finger or a key is theirs; any other is the page's own, as it is laid out anew. */
const HAND_MS = 400;

export class Follow {
  /** False: there is nothing to follow yet. */
  active = false;
  #following = true;
  #lastTop = 0;
  #handAt = 0;

  constructor({ scroller, content, button }) {
    this.scroller = scroller;
    this.button = button;
    for (const type of ["wheel", "touchmove", "keydown", "pointerdown"]) {
      scroller.addEventListener(type, () => this.#onHand(), { passive: true });
    }
    scroller.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    button.addEventListener("click", () => this.jump());
    content.addEventListener("click", (event) => this.#onClick(event));
    content.addEventListener("focusin", () => this.#onHand()); // what it scrolls to is where the user wants to be
    const watch = new ResizeObserver(() => this.#settle());
    watch.observe(content);
    watch.observe(scroller);
  }

  /** To the end, and stay there. */
  jump() {
    this.#following = true;
    this.#settle();
  }

  /** As a key of that name asks for. */
  byKey(key) {
    this.#onHand();
    const page = this.scroller.clientHeight * 0.9;
    if (key === "End") this.jump();
    else if (key === "Home") this.scroller.scrollTop = 0;
    else this.scroller.scrollTop += key === "PageUp" ? -page : page;
  }

  #gap() {
    return this.scroller.scrollHeight - this.scroller.clientHeight - this.scroller.scrollTop;
  }

  #onHand() {
    this.#handAt = performance.now();
  }

  /** What is unfolded stays where it is, and is not pushed away by what it shows; nor is what is pressed further up. */
  #onClick({ target }) {
    if (target.closest("summary") || this.#gap() > NEAR_PX) this.#following = false;
  }

  /** Upwards by hand: the user wants to read there. Down to the end: they want to see it grow again. */
  #onScroll() {
    const top = this.scroller.scrollTop;
    const byHand = performance.now() - this.#handAt < HAND_MS;
    if (byHand && top < this.#lastTop - 1 && this.#gap() > 1) {
      this.#following = false;
      this.#onHand(); // a flick rolls on after the finger is gone
    }
    if (this.#gap() <= NEAR_PX && top >= this.#lastTop) this.#following = true;
    this.#lastTop = top;
    this.#showButton();
  }

  #settle() {
    if (this.#following && this.active) this.scroller.scrollTop = this.scroller.scrollHeight;
    this.#lastTop = this.scroller.scrollTop;
    this.#showButton();
  }

  #showButton() {
    this.button.hidden = this.#following || this.#gap() <= NEAR_PX;
  }
}
