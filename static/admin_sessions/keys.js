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

function writes(field, key) {
  if (key.length === 1 && field.matches("textarea, input")) {
    field.setRangeText(key, field.selectionStart, field.selectionEnd, "end");
  }
}

const offering = (root, name, key) => [...root.querySelectorAll(`[${name}]`)].filter((one) => one.getAttribute(name).split(" ").includes(key));

export class Keys {
  #rows = [];
  #row = null;
  /** What was typed since a key began to lead to another page; null: none does. */
  #held = null;
  #acting = false;
  #until;

  /** ``onRow``, ``onTicked``: what a key does to a row of a list, or to those that are ticked, as a function; null: nothing. */
  constructor({ onRow, onTicked }) {
    this.onRow = onRow;
    this.onTicked = onTicked;
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
      button.addEventListener("click", () => this.help && this.#showHelp());
    }
  }

  /** When all that keys press is ready: what was typed before that, on this page and on the one that led here. */
  begin() {
    const [at, before] = JSON.parse(sessionStorage.getItem(TYPED) ?? "[0, []]");
    sessionStorage.removeItem(TYPED);
    document.querySelector("[autofocus]")?.focus(); // what was typed is for the field that one came for
    this.#doAll([...(Date.now() - at < COMES_MS ? before : []), ...(window.deskTyped?.() ?? [])]);
  }

  #doAll(keys) {
    for (const key of keys) {
      if (this.#held) {
        this.#hold(key);
      } else if (isTyping(document.activeElement)) {
        writes(document.activeElement, key); // a key before it led there
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

  /** What the button of a row does, by the key that does the same. */
  press(key, row) {
    this.choose(row);
    this.#actFor(key, row)?.();
  }

  #actFor(key, row) {
    const act = this.onRow(key, row);
    return (
      act &&
      (() => {
        this.#waits();
        act().then((leaves) => leaves || this.#doAll(this.#forget()));
      })
    );
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
    const meant = this.#meaning(key, target, this.#row);
    this.#acting = true;
    try {
      meant?.();
    } finally {
      this.#acting = false;
    }
    return Boolean(meant);
  }

  /** It shows the keys that mean something on this page as it is now, and no others. */
  #showHelp() {
    const row = this.#row ?? this.#shown()[0];
    for (const line of this.help.querySelectorAll("[data-keys]")) {
      line.hidden = !line.dataset.keys.split(" ").some((key) => this.#meaning(key, document.body, row));
    }
    this.help.showModal();
  }

  /** What the key does here, as a function; null: nothing. ``row``: the chosen one. */
  #meaning(key, target, row) {
    if (key === "?") {
      return this.help && (() => this.#showHelp());
    }
    const field = key === "/" ? document.querySelector("#searchbar") : this.#byData("focus", key);
    if (field) {
      return () => {
        field.focus();
        field.select?.();
        (field.closest(".desk form") ?? field).scrollIntoView({ block: "nearest" }); // with the button that sends it
        field.dataset.byKey = "";
      };
    }
    if (key === "/") {
      return this.#search();
    }
    return (this.#rows.length > 0 && this.#meaningInList(key, target, row)) || this.#press(key, target);
  }

  #press(key, target) {
    if (key === "Enter" && target.closest("a, button, summary, label")) {
      return null;
    }
    const button = this.#byData("key", key);
    return (
      button &&
      (() => {
        button.click();
        if (button.type === "radio") {
          button.form.requestSubmit();
        }
      })
    );
  }

  /** A page without a search leads to that of the list: as it was left, where one came from there. */
  #search() {
    const all = this.help?.querySelector("a[data-search]");
    const back = document.querySelector("a[data-key=u]");
    const link = all && back?.pathname === all.pathname ? back : all;
    return (
      link &&
      (() => {
        link.click();
        if (this.#held) {
          this.#hold("/");
        }
      })
    );
  }

  #byData(name, key) {
    return offering(document, `data-${name}`, key).find((element) => !element.closest("[hidden]"));
  }

  #meaningInList(key, target, row) {
    const shown = this.#shown();
    switch (key) {
      case "j":
        return () => this.choose(shown[Math.min(shown.indexOf(row) + 1, shown.length - 1)]);
      case "k":
        return () => this.choose(shown[Math.max(shown.indexOf(row) - 1, 0)]);
      case "Enter":
      case "o":
        return row && !(key === "Enter" && target.closest("a, button, summary, label, input")) ? () => linkOf(row)?.click() : null;
      case "x": {
        const box = row?.querySelector("input.action-select");
        return box && (() => box.click());
      }
    }
    return this.#forTicked(key) ?? this.onTicked(key, row) ?? (row ? (this.#inRow(key, row) ?? this.#actFor(key, row)) : null);
  }

  /** Where some rows are ticked, a key that acts on a row acts on all of these. */
  #forTicked(key) {
    const [button] = offering(document, "data-ticked-key", key);
    const ticked = this.#shown().some((row) => row.querySelector("input.action-select:checked"));
    return button && ticked ? () => button.click() : null;
  }

  /** What the row itself offers: a button to press, or one to go to, which Enter then presses. */
  #inRow(key, row) {
    const [button] = offering(row, "data-row-key", key);
    const [goal] = offering(row, "data-row-focus", key);
    return button ? () => button.click() : goal ? () => goal.focus() : null;
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
    const row = [walked, same, place].map((one) => this.#rows[one]).find(Boolean);
    this.choose(row);
    // What stands above it may grow until then, and the browser may put back how far the page was scrolled before.
    addEventListener("load", () => setTimeout(() => row === this.#row && row?.scrollIntoView({ block: "nearest" })), { once: true });
  }
}
