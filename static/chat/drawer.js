/** The side panel on a narrow screen: slides over the page, takes the keyboard, gives it back. */

export class Drawer {
  #wide = window.matchMedia("(min-width: 60rem)");

  constructor({ panel, main, scrim, openButton, closeButton }) {
    Object.assign(this, { panel, main, scrim, openButton, closeButton });
    openButton.addEventListener("click", () => this.#set(true));
    closeButton.addEventListener("click", () => this.#set(false));
    scrim.addEventListener("click", () => this.#set(false));
    panel.addEventListener("keydown", (event) => event.key === "Escape" && this.#leave(event));
    this.#wide.addEventListener("change", () => this.#set(false, { focus: false }));
    this.#set(false, { focus: false });
  }

  /** Where it is no drawer it is open always. */
  open() {
    if (!this.#wide.matches) this.#set(true);
  }

  close() {
    this.#set(false, { focus: false });
  }

  #leave(event) {
    if (this.panel.dataset.open === "true") event.stopPropagation(); // it stops no answer
    this.#set(false);
  }

  #set(open, { focus = true } = {}) {
    const over = open && !this.#wide.matches;
    this.panel.dataset.open = String(over);
    this.panel.inert = !over && !this.#wide.matches;
    this.main.inert = over;
    this.scrim.hidden = !over;
    this.openButton.setAttribute("aria-expanded", String(over));
    if (focus) (over ? this.closeButton : this.openButton).focus();
  }
}
