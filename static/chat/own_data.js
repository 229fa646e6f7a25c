/** Forgetting conversations: one from the list, or all of them; nothing goes before it was confirmed. */

import { csrfToken } from "./csrf.js";
import { forgetHere } from "./forget_here.js";
import { gettext, ngettext } from "./words.js";

export class OwnData extends EventTarget {
  #confirmed = null;

  /** Events: `forgotten` (detail: the session's id; null: all of them), `problem` (detail: a sentence). */
  constructor({ dialog, menuButton, menu, allButton, sessionUrl, allUrl }) {
    super();
    Object.assign(this, { dialog, menuButton, menu, sessionUrl, allUrl });
    menuButton.addEventListener("click", () => this.#showMenu(menu.hidden));
    document.addEventListener("click", (event) => this.#isOutside(event.target) && this.#showMenu(false));
    for (const node of [menu, menuButton])
      node.addEventListener("keydown", (event) => event.key === "Escape" && this.#closeMenu(event));
    menu.addEventListener("click", () => this.#showMenu(false));
    allButton.addEventListener("click", () => this.askForAll());
    dialog.addEventListener("close", () => this.#onClose());
  }

  askFor({ id, title }) {
    this.#ask(gettext("Delete “{title}”?", { title: title || gettext("Untitled") }), () => this.#forget(id));
  }

  askForAll() {
    this.#ask(gettext("Delete all your conversations?"), () => this.#forgetAll());
  }

  #ask(question, act) {
    this.#confirmed = act;
    this.dialog.querySelector("h2").textContent = question;
    this.dialog.returnValue = "";
    this.dialog.showModal();
  }

  #onClose() {
    const act = this.#confirmed;
    this.#confirmed = null;
    if (this.dialog.returnValue === "delete") act?.();
  }

  async #forget(id) {
    const done = await this.#delete(this.sessionUrl(id));
    if (!done) return;
    forgetHere(id);
    this.#tell("forgotten", id);
  }

  /** As often as the server says that some are left, and does away with some. */
  async #forgetAll() {
    let done;
    do done = await this.#delete(this.allUrl);
    while (done?.left > 0 && done.erased > 0);
    if (!done) return;
    forgetHere();
    this.#tell("forgotten", null);
    if (done.failed > 0) {
      const said = ngettext(
        "{n} conversation could not be deleted.",
        "{n} conversations could not be deleted.",
        done.failed,
      );
      this.#tell("problem", said);
    }
  }

  /** What the server answers, or null when it did not do it. */
  async #delete(url) {
    try {
      const response = await fetch(url, { method: "DELETE", headers: { "X-CSRFToken": csrfToken() } });
      if (!response.ok) throw new Error(`status ${response.status}`);
      return response.status === 204 ? {} : await response.json();
    } catch {
      this.#tell("problem", gettext("It could not be deleted. Try again."));
      return null;
    }
  }

  #isOutside(target) {
    return !this.menu.contains(target) && !this.menuButton.contains(target);
  }

  #closeMenu(event) {
    if (this.menu.hidden) return;
    event.stopPropagation(); // it closes nothing else, and stops no answer
    this.#showMenu(false);
    this.menuButton.focus();
  }

  #showMenu(open) {
    this.menu.hidden = !open;
    this.menuButton.setAttribute("aria-expanded", String(open));
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
