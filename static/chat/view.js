/** The conversation on the page: one element an entry, touched only where its entry changed. */

import { AnswerView } from "./answer_view.js";
import { MessageView } from "./message_view.js";

export class TranscriptView {
  #views = new Map();

  /** `actions`: {tryAgain(entry), sendAgain(entry), takeBack(entry), decide(item, approve), rate(item, word)}. */
  constructor(root, actions) {
    this.root = root;
    this.actions = actions;
  }

  /** Show the state; false: a part was put off, call again with the next frame. */
  render(state) {
    let whole = true;
    const last = state.entries.length - 1;
    state.entries.forEach((entry, index) => {
      const view = this.#views.get(entry.id) ?? this.#add(entry);
      if (!view.update(entry, { isLast: index === last })) whole = false;
    });
    this.#arrange(state.entries);
    return whole;
  }

  #add(entry) {
    const view =
      entry.kind === "response"
        ? new AnswerView({
            onRetry: this.actions.tryAgain,
            onTakeBack: this.actions.takeBack,
            onDecide: this.actions.decide,
            onRate: this.actions.rate,
          })
        : new MessageView(entry, { onRetry: this.actions.sendAgain });
    view.node.dataset.id = entry.id;
    this.#views.set(entry.id, view);
    return view;
  }

  /** The elements in the order of the entries, and none beside them; one that stands right is not moved. */
  #arrange(entries) {
    let next = this.root.firstChild;
    for (const entry of entries) {
      const { node } = this.#views.get(entry.id);
      if (node === next) next = next.nextSibling;
      else this.root.insertBefore(node, next);
    }
    while (next) {
      const gone = next;
      next = next.nextSibling;
      this.#views.delete(gone.dataset.id);
      gone.remove();
    }
  }
}
