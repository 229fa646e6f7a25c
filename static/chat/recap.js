/** What a conversation was about, for whoever comes back to it after a while. */

import { el } from "./dom.js";
import { StreamingMarkdown } from "./streaming_markdown.js";

const A_WHILE_MS = 60 * 60 * 1000;

export class Recap {
  /** Of the session that is open; empty: of none. */
  #sessionId = "";

  /** `find(id)` gives a session as the list has it, or null. */
  constructor({ box, text, find }) {
    Object.assign(this, { box, text, find });
  }

  open(sessionId) {
    this.#sessionId = sessionId;
    this.hide();
  }

  hide() {
    this.box.hidden = true;
  }

  /** Once what was said is there; at most once. A summary that cannot be had is not missed. */
  async show() {
    const id = this.#sessionId;
    if (!id || !this.box.hidden) return;
    const session = await this.find(id);
    if (id !== this.#sessionId) return;
    this.#sessionId = "";
    const { summary, last_word_at: at } = session ?? {};
    if (!summary || Date.now() - new Date(at) < A_WHILE_MS) return;
    const prose = el("div", { class: "prose", dir: "auto" });
    new StreamingMarkdown(prose).finish(summary);
    this.text.replaceChildren(prose);
    this.box.hidden = false;
  }
}
