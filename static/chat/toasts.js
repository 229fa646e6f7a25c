/** Short words about what went wrong and belongs to no place in the conversation. */

import { el, icon, iconButton } from "./dom.js";
import { gettext } from "./words.js";

const SHOWN_MS = 8_000;
/** Who points at one, or has its button in focus, is about to use it. */
const LOOKED_AT_MS = 1_000;
const MOST = 3;

export class Toasts {
  constructor(root) {
    this.root = root;
  }

  /** What was said of the last message is over with the next. */
  clear() {
    this.root.replaceChildren();
  }

  show(text, { retry = null } = {}) {
    const close = () => toast.remove();
    const again =
      retry &&
      el("button", {
        type: "button",
        class: "button",
        text: gettext("Try again"),
        on: { click: () => (close(), retry()) },
      });
    const toast = el(
      "div",
      { class: "toast" },
      icon("alert"),
      el("p", { text }),
      again,
      iconButton("close", gettext("Dismiss"), { on: { click: close } }),
    );
    this.root.append(toast);
    while (this.root.children.length > MOST) this.root.firstChild.remove();
    const leave = () => (toast.matches(":hover, :focus-within") ? setTimeout(leave, LOOKED_AT_MS) : close());
    setTimeout(leave, SHOWN_MS);
  }
}
