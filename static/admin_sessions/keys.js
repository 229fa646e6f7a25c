// The keyboard of the desk. A key presses what the page offers for it (`data-key`), goes to a field (`data-focus`), or moves
// along the rows of a list; nothing can be done by a key alone.

const KEPT = "desk.row";
/** The page that was last opened from a row, or walked on to from there. */
const AT = "desk.at";
const TYPED = "desk.typed";
/** So long a page may take to come; what was typed for it longer ago is forgotten. */
const COMES_MS = 10_000;
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
  #row = null;
  /** What was typed since a key began to lead to another page; null: none does. */
  #held = null;
  #acting = false;
  #until;

  constructor(actOnRow) {
    this.actOnRow = actOnRow;
    this.help = document.querySelector("dialog.desk-keys");
    this.#rows = [...document.querySelectorAll("#result_list .data-row, [data-row]")];
    if (this.#rows.length) {
      this.#comeBack();
    } else {
      sessionStorage.setItem(AT, location.pathname);
    }
    // Before unfold's own listener, which takes the slash as well.
    document.addEventListener("keydown", (event) => this.#pressed(event), true);
    addEventListener("submit", (event) => event.target.method !== "dialog" && this.#leads(event));
    addEventListener("click", (event) => {
      const link = event.target.closest?.("a[href]:not([download], [target=_blank])");
      const there = link && new URL(link.href, location.href);
      if (there && (there.pathname !== location.pathname || there.search !== location.search || !there.hash)) {
        this.#leads(event);
      }
    });
    addEventListener("pageshow", (event) => event.persisted && this.#forget());
    for (const button of document.querySelectorAll("[data-help]")) {
      button.hidden = false;
      button.addEventListener("click", () => this.help?.showModal());
    }
  }

  /** When all that keys press is ready: what was typed before that, on this page and on the one that led here. */
  begin() {
    const [at, before] = JSON.parse(sessionStorage.getItem(TYPED) ?? "[0, []]");
    sessionStorage.removeItem(TYPED);
    this.#doAll([...(Date.now() - at < COMES_MS ? before : []), ...(window.deskTyped?.() ?? [])]);
  }

  #doAll(keys) {
    for (const key of keys) {
      if (this.#held) {
        this.#hold(key);
      } else if (!this.help?.open) {
        this.#does(key, document.body);
      }
    }
  }

  /** Another page comes; what is typed until then is meant for that one. */
  #waits() {
    this.#held ??= [];
    clearTimeout(this.#until);
    this.#until = setTimeout(() => this.#forget(), COMES_MS); // it did not come, as when somebody wants to stay
  }

  #leads(event) {
    if (this.#acting && !event.defaultPrevented) {
      this.#waits();
    }
  }

  #hold(key) {
    this.#held.push(key);
    sessionStorage.setItem(TYPED, JSON.stringify([Date.now(), this.#held]));
  }

  /** What was held; nothing is any more. */
  #forget() {
    const held = this.#held ?? [];
    clearTimeout(this.#until);
    sessionStorage.removeItem(TYPED);
    this.#held = null;
    return held;
  }

  #acts(key, row) {
    const acting = this.actOnRow(key, row);
    if (acting) {
      this.#waits();
      acting.then((leaves) => leaves || this.#doAll(this.#forget()));
    }
    return Boolean(acting);
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
    if (this.#held && event.key.length > 1 && event.key !== "Enter") {
      return;
    }
    if (this.#held) {
      this.#hold(event.key);
    } else if (!this.#does(event.key, event.target)) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  /** Whether the key meant something here. */
  #does(key, target) {
    this.#acting = true;
    try {
      return this.#means(key, target);
    } finally {
      this.#acting = false;
    }
  }

  #means(key, target) {
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
    if (button?.closest("[hidden]")) return false;
    button?.click();
    if (button?.type === "radio") {
      button.form.requestSubmit();
    }
    return Boolean(button);
  }

  #byData(name, key) {
    return [...document.querySelectorAll(`[data-${name}]`)].find((element) => element.dataset[name].split(" ").includes(key));
  }

  #doesInList(key, target) {
    const [row, shown] = [this.#row, this.#shown()];
    switch (key) {
      case "j":
        this.choose(shown[Math.min(shown.indexOf(row) + 1, shown.length - 1)]);
        return true;
      case "k":
        this.choose(shown[Math.max(shown.indexOf(row) - 1, 0)]);
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
    return this.#pressesForTicked(key) || (Boolean(row) && (this.#pressesInRow(key, row) || this.#acts(key, row)));
  }

  /** Where some rows are ticked, a key that acts on a row acts on all of these. */
  #pressesForTicked(key) {
    const button = [...document.querySelectorAll("[data-ticked-key]")].find((one) =>
      one.dataset.tickedKey.split(" ").includes(key),
    );
    const ticked = this.#shown().some((row) => row.querySelector("input.action-select:checked"));
    if (button && ticked) {
      button.click();
    }
    return Boolean(button) && ticked;
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

  #shown() {
    return this.#rows.filter((row) => !row.hidden);
  }

  /** ``rows`` leave the list; where the chosen one is among them, the one in its place is chosen. */
  leave(rows) {
    const shown = this.#shown();
    const place = shown.indexOf(this.#row);
    const stays = (row) => !rows.includes(row);
    const next = shown.slice(Math.max(place, 0)).find(stays) ?? shown.filter(stays).at(-1);
    rows.forEach((row) => (row.hidden = true));
    if (place >= 0) {
      this.choose(next);
    }
  }

  choose(row) {
    this.#row?.classList.remove("desk-chosen");
    this.#row?.removeAttribute("aria-current");
    this.#row = row ?? null;
    if (!row) {
      return;
    }
    row.classList.add("desk-chosen");
    row.setAttribute("aria-current", "true");
    row.scrollIntoView({ block: "nearest" });
    sessionStorage.removeItem(AT);
    sessionStorage.setItem(KEPT, JSON.stringify([location.href, this.#shown().indexOf(row), linkOf(row)?.href]));
  }

  /** Where a row was chosen when this very list was left: to the one that was walked on to from it, else to the same; to the one in
   * its place where it is not in the list any more. */
  #comeBack() {
    const [href, place, link] = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
    const same = this.#rows.findIndex((row) => linkOf(row)?.href === link);
    // A row's very link tells of the list that it stands in, also where the address of that list is another by now.
    const isHere = href === location.href || (same >= 0 && new URL(href).pathname === location.pathname);
    if (!isHere) {
      return;
    }
    const at = sessionStorage.getItem(AT);
    const walked = link && new URL(link).pathname !== at ? this.#rows.findIndex((row) => linkOf(row)?.pathname === at) : -1;
    this.choose([walked, same, place].map((one) => this.#rows[one]).find(Boolean));
  }
}
