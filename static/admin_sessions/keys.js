// The keyboard of the desk. A key presses what the page offers for it (`data-key`), goes to a field (`data-focus`), or moves
// along the rows of a list; nothing can be done by a key alone.

const KEPT = "desk.row";
const isTyping = (element) =>
  element instanceof HTMLElement &&
  (element.isContentEditable ||
    element.matches("textarea, select, input:not([type=radio], [type=checkbox])") ||
    element.closest("[role=combobox]") !== null);
export const linkOf = (row) => row.querySelector("th a, [data-open]") ?? row.querySelector("a");
/** One that takes the arrows and Escape for itself, as while names are offered. */
const isChoosing = (element) => element.hasAttribute("aria-activedescendant");

export class Keys {
  #rows = [];
  #at = -1;

  constructor(actOnRow) {
    this.actOnRow = actOnRow;
    this.help = document.querySelector("dialog.desk-keys");
    this.#rows = [...document.querySelectorAll("#result_list .data-row, [data-row]")];
    this.#comeBack();
    // Before unfold's own listener, which takes the slash as well.
    document.addEventListener("keydown", (event) => this.#pressed(event), true);
    for (const button of document.querySelectorAll("[data-help]")) {
      button.hidden = false;
      button.addEventListener("click", () => this.help?.showModal());
    }
  }

  #pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || this.help?.open) {
      return;
    }
    if (isTyping(event.target)) {
      if (event.key === "Escape" && !isChoosing(event.target)) {
        event.target.blur();
      }
      return;
    }
    if (this.#does(event.key, event.target)) {
      event.preventDefault();
      event.stopPropagation();
    }
  }

  /** Whether the key meant something here. */
  #does(key, target) {
    if (key === "?" && this.help) {
      this.help.showModal();
      return true;
    }
    const field = key === "/" ? document.querySelector("#searchbar") : this.#byData("focus", key);
    if (field) {
      field.focus();
      field.select?.();
      field.dataset.byKey = "";
      return true;
    }
    if (key === "/") {
      document.querySelector("a[data-key=u]")?.click();
      return true;
    }
    return (this.#rows.length > 0 && this.#doesInList(key, target)) || this.#presses(key, target);
  }

  #presses(key, target) {
    if (key === "Enter" && target.closest("a, button, summary, label")) {
      return false;
    }
    const button = this.#byData("key", key);
    button?.click();
    if (button?.type === "radio") {
      button.form.requestSubmit();
    }
    return Boolean(button);
  }

  #byData(name, key) {
    return [...document.querySelectorAll(`[data-${name}]`)].find((element) => element.dataset[name] === key);
  }

  #doesInList(key, target) {
    const row = this.#rows[this.#at];
    switch (key) {
      case "j":
        this.#choose(Math.min(this.#at + 1, this.#rows.length - 1));
        return true;
      case "k":
        this.#choose(Math.max(this.#at - 1, 0));
        return true;
      case "Enter":
      case "o":
        if (!row || (key === "Enter" && target.closest("a, button, summary, label, input"))) {
          return false;
        }
        linkOf(row)?.click();
        return true;
      case "x":
        row?.querySelector("input.action-select")?.click();
        return Boolean(row);
    }
    return Boolean(row) && (this.#pressesInRow(key, row) || this.actOnRow(key, row));
  }

  /** What the row itself offers: a button to press, or one to go to, which Enter then presses. */
  #pressesInRow(key, row) {
    const offered = (name) =>
      [...row.querySelectorAll(`[data-row-${name}]`)].find((one) =>
        one.getAttribute(`data-row-${name}`).split(" ").includes(key),
      );
    const [button, goal] = [offered("key"), offered("focus")];
    button?.click();
    goal?.focus();
    return Boolean(button ?? goal);
  }

  #choose(place) {
    this.#rows[this.#at]?.classList.remove("desk-chosen");
    this.#rows[this.#at]?.removeAttribute("aria-current");
    this.#at = place;
    const row = this.#rows[place];
    row.classList.add("desk-chosen");
    row.setAttribute("aria-current", "true");
    row.scrollIntoView({ block: "nearest" });
    sessionStorage.setItem(KEPT, JSON.stringify([location.href, place, linkOf(row)?.href]));
  }

  /** To the row that was chosen when this very list was left; to the one in its place where it is not in the list any more. */
  #comeBack() {
    const [href, place, link] = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
    const same = this.#rows.findIndex((row) => linkOf(row)?.href === link);
    if (href === location.href && (same >= 0 || place < this.#rows.length)) {
      this.#choose(same >= 0 ? same : place);
    }
  }
}
