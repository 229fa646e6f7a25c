/** `< 2 / 3 >` under what has other versions in its place. */

import { announce, el, iconButton, setText } from "./dom.js";
import { gettext } from "./words.js";

export class VersionsView {
  #versions = null;

  /** `onChoose` is called with {id, itemId} of the version that is wanted, and the direction: -1 or 1. */
  constructor({ onChoose }) {
    this.onChoose = onChoose;
    this.back = this.#button(-1, gettext("Previous version"));
    this.on = this.#button(1, gettext("Next version"));
    this.place = el("span", { class: "meta", "aria-hidden": "true" });
    this.said = el("span", { class: "visually-hidden" });
    const parts = [this.back, this.place, this.said, this.on];
    this.node = el("span", { class: "versions", role: "group", "aria-label": gettext("Versions"), hidden: true }, ...parts);
    this.node.addEventListener("keydown", (event) => this.#onKey(event));
  }

  /** `versions` undefined: there are no others. `idle` false: none can be chosen now. */
  update(versions, idle) {
    this.#versions = versions;
    this.node.hidden = !versions;
    if (!versions) return;
    const { index, all } = versions;
    setText(this.place, `${index + 1} / ${all.length}`);
    setText(this.said, gettext("Version {n} of {count}", { n: index + 1, count: all.length }));
    this.back.setAttribute("aria-disabled", String(!idle || index === 0));
    this.on.setAttribute("aria-disabled", String(!idle || index === all.length - 1));
  }

  /** The one that was chosen here is shown now: who pages with the keyboard goes on from it. */
  arrived(direction) {
    (direction < 0 ? this.back : this.on).focus();
    announce(this.said.textContent);
  }

  #button(direction, label) {
    const click = ({ currentTarget }) => currentTarget.ariaDisabled !== "true" && this.#choose(direction);
    return iconButton("chevron", label, { class: direction < 0 ? "back" : "on", on: { click } });
  }

  #onKey(event) {
    const forward = document.documentElement.dir === "rtl" ? "ArrowLeft" : "ArrowRight";
    if (!["ArrowLeft", "ArrowRight"].includes(event.key)) return;
    event.preventDefault();
    (event.key === forward ? this.on : this.back).click();
  }

  #choose(direction) {
    const version = this.#versions.all[this.#versions.index + direction];
    if (version) this.onChoose(version, direction);
  }
}
