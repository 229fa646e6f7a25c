/** Which model answers, where the assistant allows several: chosen before the first word, and between answers. */

import { el } from "./dom.js";
import { gettext } from "./words.js";

export class ModelPicker {
  /** `select`: null where there is nothing to choose. `choose(model)`: the user wants it from now on. */
  constructor(select, { choose }) {
    this.select = select;
    this.first = select?.value;
    select?.addEventListener("change", () => choose(select.value));
  }

  /** `model` empty: the one that answers unless another is chosen. */
  show(model, { enabled }) {
    if (!this.select) return;
    const shown = model || this.first;
    const known = [...this.select.options].some(({ value }) => value === shown);
    if (!known) this.select.append(el("option", { value: shown, disabled: true, text: gettext("Another model") }));
    if (this.select.value !== shown) this.select.value = shown;
    this.select.disabled = !enabled;
  }
}
