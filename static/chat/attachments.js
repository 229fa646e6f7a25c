/** What is going to be sent along with the next message: picked, pasted or dropped; a chip each, until it is sent or taken out. */

import { el, icon, iconButton } from "./dom.js";
import { fileSize } from "./format.js";
import { filePart } from "./realtime.js";
import { sentence } from "./sentences.js";
import { gettext, ngettext } from "./words.js";

export class Attachments extends EventTarget {
  #chips = [];
  #isEnabled = true;

  /**
   * Events: `change`, and `problem` (detail: a sentence).
   * `client()` is who sends them; `drop` is where they may be dropped; `input` is the file field behind `button`.
   */
  constructor({ list, button, input, drop, text, client, most, maxBytes }) {
    super();
    Object.assign(this, { list, button, client, most, maxBytes });
    button.addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      this.add([...input.files]);
      input.value = "";
      text.focus();
    });
    text.addEventListener("paste", (event) => this.#onPaste(event));
    this.#listenToDrops(drop);
  }

  /** Files are taken of those alone who have a name, or a cookie. */
  set enabled(enabled) {
    this.button.hidden = !enabled;
    this.#isEnabled = enabled;
  }

  get isEmpty() {
    return this.#chips.length === 0;
  }

  /** One of them is still on its way. */
  get isBusy() {
    return this.#chips.some(({ stored }) => !stored);
  }

  /** As parts of a message. */
  get parts() {
    return this.#chips.filter(({ stored }) => stored).map(({ stored }) => filePart(stored));
  }

  add(files) {
    if (!this.#isEnabled) return;
    const left = this.most - this.#chips.length;
    if (files.length > left) this.#problem(tooMany(this.most));
    for (const file of files.slice(0, Math.max(0, left))) {
      if (file.size > this.maxBytes) this.#problem(tooLarge(file, this.maxBytes));
      else this.#send(this.#show(file));
    }
  }

  /** The files of a message that is not said any more; they have been sent. */
  giveBack(files) {
    for (const file of files) {
      const chip = this.#show({ name: file.name, size: file.bytes });
      this.#arrived(Object.assign(chip, { stored: file, isKept: true }));
    }
  }

  /** They are sent, or not meant any more. */
  clear({ discard = false } = {}) {
    for (const chip of [...this.#chips]) this.#takeOut(chip, discard);
  }

  /** A chip for it. */
  #show(file) {
    const chip = { file, controller: new AbortController(), stored: null, client: this.client() };
    const remove = iconButton("close", gettext("Remove {name}", { name: file.name }), {
      on: { click: () => this.#takeOut(chip, true) },
    });
    chip.picture = el("span", { class: "attachment-picture" }, icon("file"));
    chip.about = el("span", { class: "attachment-about", text: fileSize(file.size) });
    chip.bar = el("progress", { class: "attachment-progress", max: "1", value: "0", "aria-label": gettext("Sending") });
    const words = el("span", { class: "attachment-words" }, el("bdi", { class: "attachment-name", text: file.name }), chip.about);
    chip.node = el("li", { class: "attachment" }, chip.picture, words, chip.bar, remove);
    this.#chips.push(chip);
    this.list.append(chip.node);
    this.#changed();
    return chip;
  }

  async #send(chip) {
    const { file, controller, client } = chip;
    const onProgress = (share) => (chip.bar.value = share);
    try {
      chip.stored = await client.upload(file, { onProgress, signal: controller.signal });
    } catch (error) {
      if (controller.signal.aborted) return;
      this.#takeOut(chip, false);
      this.#problem(`${file.name}: ${sentence(error.code)}`);
      return;
    }
    await this.#arrived(chip);
  }

  async #arrived(chip) {
    chip.bar.remove();
    if (chip.stored.media_type.startsWith("image/")) await this.#showPicture(chip);
    this.#changed();
  }

  async #showPicture({ stored, client, picture }) {
    const src = await client.fileUrl(stored.id).catch(() => "");
    if (src) picture.replaceChildren(el("img", { src, alt: "" }));
  }

  #takeOut(chip, discard) {
    chip.controller.abort();
    this.#chips = this.#chips.filter((one) => one !== chip);
    chip.node.remove();
    if (discard && chip.stored && !chip.isKept) chip.client.discard(chip.stored.id).catch(() => {}); // a day later it goes by itself
    this.#changed();
  }

  #onPaste(event) {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length === 0 || !this.#isEnabled) return; // what is not taken keeps no text beside it away
    if (isText(event.clipboardData)) return;
    event.preventDefault();
    this.add(files);
  }

  #listenToDrops(place) {
    const carriesFiles = (event) => event.dataTransfer?.types.some((type) => type.toLowerCase() === "files");
    const over = (event, isOver) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      place.classList.toggle("dropping", isOver);
    };
    place.addEventListener("dragover", (event) => over(event, true));
    place.addEventListener("dragleave", (event) => !place.contains(event.relatedTarget) && over(event, false));
    place.addEventListener("drop", (event) => {
      over(event, false);
      if (carriesFiles(event)) this.add([...event.dataTransfer.files]);
    });
  }

  #changed() {
    this.list.hidden = this.isEmpty;
    this.dispatchEvent(new Event("change"));
  }

  #problem(message) {
    this.dispatchEvent(new CustomEvent("problem", { detail: message }));
  }
}

/** Office programs copy a picture of what is text, and formatted, too. */
function isText(data) {
  return data.types.includes("text/html") && data.getData("text/plain").trim() !== "";
}

function tooMany(most) {
  return ngettext("At most {n} file goes with one message.", "At most {n} files go with one message.", most);
}

function tooLarge({ name }, maxBytes) {
  return gettext("{name} is too large: at most {size} are taken.", { name, size: fileSize(maxBytes) });
}
