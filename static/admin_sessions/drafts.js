// What was written beside a session and not sent: kept in this tab, for each member of staff and each session, until it is sent.

const KEPT = "textarea[name=note], input[type=text][name=reason]";

export class Drafts {
  constructor(panel) {
    this.panel = panel;
    this.key = `desk.draft:${panel.dataset.desk}:${location.pathname}`;
    panel.addEventListener("input", () => this.keep());
  }

  #fields() {
    return [...this.panel.querySelectorAll(`form[data-in-place] :is(${KEPT})`)];
  }

  /** Into the fields of a page that has just come. */
  restore() {
    const kept = JSON.parse(sessionStorage.getItem(this.key) ?? "{}");
    for (const field of this.#fields()) {
      field.value = kept[field.name] ?? field.value;
    }
    this.keep();
  }

  /** What stands in the fields and is not what the server has. */
  keep() {
    const begun = this.#fields().filter((field) => field.value !== field.defaultValue && field.value.trim());
    if (begun.length) {
      sessionStorage.setItem(this.key, JSON.stringify(Object.fromEntries(begun.map((field) => [field.name, field.value]))));
    } else {
      sessionStorage.removeItem(this.key);
    }
    for (const word of this.panel.querySelectorAll("[data-draft]")) {
      word.hidden = !begun.some((field) => field.name === word.dataset.draft);
    }
  }
}
