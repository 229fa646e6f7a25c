/** What the keyboard does on the page, and the list of it. */

const SCROLLING = new Set(["PageUp", "PageDown", "Home", "End"]);
const isMac = /mac|iphone|ipad/i.test(navigator.userAgentData?.platform ?? navigator.platform ?? "");

export class Keys {
  /** `list`: the dialog that tells of them. `act`: {scroll(key), write(), search(), newChat(), editLast()}, each of which may be null. */
  constructor({ list, input, act }) {
    Object.assign(this, { list, input, act });
    for (const key of isMac ? list.querySelectorAll("[data-mod]") : []) key.textContent = "⌘";
    list.querySelector("button").addEventListener("click", () => list.close());
    document.addEventListener("keydown", (event) => this.#onKey(event));
  }

  showList() {
    if (!this.list.open) this.list.showModal();
  }

  #onKey(event) {
    if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
    const act = this.#actOf(event);
    if (!act) return;
    event.preventDefault();
    act();
  }

  #actOf(event) {
    const { key, altKey } = event;
    if (altKey) return null;
    if (event.ctrlKey || event.metaKey) return this.#commandOf(event);
    const atInput = event.target === this.input;
    const inField = !atInput && event.target.matches?.("input, textarea, select, [contenteditable]");
    if (inField) return null;
    if (SCROLLING.has(key) && !event.shiftKey) return this.#scrollOf(key, event.target, atInput);
    if (atInput) return key === "ArrowUp" && !this.input.value ? this.act.editLast : null;
    if (key === "?") return () => this.showList();
    return key === "/" ? this.act.write : null;
  }

  #commandOf({ key, ctrlKey, metaKey, shiftKey }) {
    if (isMac ? !metaKey || ctrlKey : !ctrlKey || metaKey) return null;
    if (shiftKey && key.toLowerCase() === "o") return this.act.newChat;
    return !shiftKey && key.toLowerCase() === "k" ? this.act.search : null;
  }

  /** In the message box Home and End are the text's, where there is one; elsewhere what has the focus scrolls by itself. */
  #scrollOf(key, target, atInput) {
    const { value, scrollHeight, clientHeight } = this.input;
    const isTexts = atInput && (key.startsWith("Page") ? scrollHeight > clientHeight + 1 : value);
    return !isTexts && (atInput || target === document.body) ? () => this.act.scroll(key) : null;
  }
}
