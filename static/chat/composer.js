/** The message box: grows with its text, sends on Enter, keeps the draft over a reload. */

import { isComposed } from "./dom.js";
import { filePart } from "./realtime.js";
import { ngettext } from "./words.js";

export class Composer extends EventTarget {
  #draftKey = "";
  /** The message that is said anew, and what had been written before; null: a new one. */
  #edited = null;
  /** What is written there was to be sent before that could be; and the draft that comes back behind it. */
  #isEarly = false;
  #draft = "";

  /** Events: `send` (detail: {text, parts: of the files, replaces: id of a message, or ""}) and `stop`. `attachments`: what goes along,
   * or null. `counter` shows how many characters are left
   * when few are; `editing` says that a message is said anew. */
  constructor({ form, counter, editing, maxChars, attachments }) {
    super();
    this.attachments = attachments;
    attachments?.addEventListener("change", () => this.#updateButton());
    this.input = form.querySelector("textarea");
    this.sendButton = form.querySelector("[data-send]");
    this.stopButton = form.querySelector("[data-stop]");
    this.counter = counter;
    this.editing = editing;
    editing.querySelector("button").addEventListener("click", () => this.#leave());
    this.maxChars = maxChars;
    form.addEventListener("submit", (event) => this.#onSubmit(event));
    this.stopButton.addEventListener("click", () => this.dispatchEvent(new Event("stop")));
    this.input.addEventListener("input", () => this.#onInput());
    this.input.addEventListener("keydown", (event) => this.#onKey(event));
    this.#onInput();
  }

  /** Show the draft of a session; the id of a new one is empty. */
  open(sessionId) {
    this.keepEditing("");
    const early = this.#draftKey ? "" : this.input.value; // written while the page was still being put together
    this.#draftKey = "";
    const draft = readDraft(draftKey(sessionId));
    this.#draft = this.#isEarly ? draft : "";
    this.fill(this.#isEarly ? early : joined(draft, early));
    this.#draftKey = draftKey(sessionId);
    if (early) this.#saveDraft();
  }

  /** From here on something can be sent. */
  begin() {
    if (!this.#isEarly) return;
    this.input.form.requestSubmit();
    this.#isEarly = false;
    this.fill(joined(this.#draft, this.input.value));
  }

  /** Keep what is being written as this session's draft from now on. */
  keepDraft(sessionId) {
    const key = draftKey(sessionId);
    if (key === this.#draftKey) return;
    writeDraft(this.#draftKey, "");
    this.#draftKey = key;
    this.#saveDraft();
  }

  /** Take the text of a message to say it anew, with the same files; Escape leaves it as it was. */
  edit({ id, text, files }) {
    this.#edited = { id, parts: files.map(filePart), before: this.#edited?.before ?? this.input.value };
    this.editing.hidden = false;
    this.fill(text);
    this.focus();
  }

  /** The text of a message that is not said any more, before what has been written since. */
  giveBack(text) {
    if (this.#edited) this.#leave();
    this.fill([text, this.input.value].filter(Boolean).join("\n\n"));
    this.focus();
  }

  /** Which message may be said anew; that of another one is left. */
  keepEditing(id) {
    if (this.#edited && this.#edited.id !== id) this.#leave();
  }

  fill(text) {
    this.input.value = text;
    this.#onInput();
  }

  focus() {
    this.input.focus();
  }

  setAnswering(answering) {
    if (this.stopButton.hidden !== answering) return;
    const hadFocus = document.activeElement === this.stopButton;
    this.stopButton.hidden = !answering;
    if (hadFocus) this.input.focus();
  }

  setEnabled(enabled) {
    this.input.disabled = !enabled;
    this.#updateButton();
  }

  #onSubmit(event) {
    event.preventDefault();
    const text = this.input.value.trim();
    const parts = [...(this.#edited?.parts ?? []), ...(this.attachments?.parts ?? [])];
    if ((!text && parts.length === 0) || this.sendButton.disabled) return;
    this.#isEarly = !this.#draftKey;
    if (this.#isEarly) return;
    const replaces = this.#edited?.id ?? "";
    if (replaces) this.#leave();
    else this.fill("");
    this.attachments?.clear();
    this.dispatchEvent(new CustomEvent("send", { detail: { text, parts, replaces } }));
  }

  #leave() {
    const { before } = this.#edited;
    this.#edited = null;
    this.editing.hidden = true;
    this.fill(before);
    this.focus();
  }

  #onKey(event) {
    if (isComposed(event)) return; // Enter ends an input method's word, Escape leaves it
    if (event.key === "Escape" && this.#edited) {
      event.stopPropagation(); // it stops no answer
      this.#leave();
    }
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    this.input.form.requestSubmit();
  }

  #onInput() {
    this.input.style.height = "auto";
    this.input.style.height = `${this.input.scrollHeight}px`;
    this.#updateButton();
    this.#saveDraft();
  }

  #updateButton() {
    const left = this.maxChars - this.input.value.length;
    this.counter.hidden = left > this.maxChars / 10;
    this.counter.textContent =
      left >= 0
        ? ngettext("{n} character left", "{n} characters left", left)
        : ngettext("{n} character too many", "{n} characters too many", -left);
    this.counter.classList.toggle("over", left < 0);
    const isEmpty = !this.input.value.trim() && (this.attachments?.isEmpty ?? true) && !this.#edited?.parts.length;
    this.sendButton.disabled = this.input.disabled || left < 0 || isEmpty || Boolean(this.attachments?.isBusy);
  }

  #saveDraft() {
    if (this.#draftKey && !this.#edited) writeDraft(this.#draftKey, this.input.value);
  }
}

/** A browser may have brought the draft back already. */
function joined(draft, early) {
  return early.startsWith(draft) ? early : [draft, early].filter(Boolean).join("\n\n");
}

function draftKey(sessionId) {
  return `chat.draft.${sessionId || "new"}`;
}

function readDraft(key) {
  try {
    return sessionStorage.getItem(key) ?? "";
  } catch {
    return "";
  }
}

function writeDraft(key, text) {
  try {
    if (text) sessionStorage.setItem(key, text);
    else sessionStorage.removeItem(key);
  } catch {
    // no storage: the draft lives as long as the page
  }
}
