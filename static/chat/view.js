/** The conversation on the page: one element an entry, touched only where its entry changed. */

import { AnswerView } from "./answer_view.js";
import { MessageView } from "./message_view.js";

/** So many are drawn at once where a whole page of them comes: the last ones first, and what is above with the next pictures. */
const AT_ONCE = 8;

export class TranscriptView {
  #views = new Map();
  /** All that was there has been drawn. */
  isWhole = true;
  #chosen = null;

  /** `actions`: {tryAgain(entry), sendAgain(entry), takeBack(entry), edit(entry), reword(entry), choose(itemId), decide(item, approve),
   * rate(item, word), read(answerId, nodes)}. */
  constructor(root, actions) {
    this.root = root;
    this.actions = actions;
  }

  /** Show the chosen path of a session's state (`latest`: what may be said anew, and asked for again); false: a part was put
   * off, call again with the next frame. */
  render({ entries: all, versions }, latest) {
    const approvals = approvalsOf(all);
    const entries = this.#drawnNow(all);
    let whole = this.isWhole;
    const last = entries.length - 1;
    const { idle } = latest;
    entries.forEach((entry, index) => {
      const view = this.#views.get(entry.id) ?? this.#add(entry);
      const around = {
        isLast: index === last,
        approvals,
        versions: versions.get(entry.id),
        idle,
        isEditable: idle && entry.id === latest.message,
        isRepeatable: idle && entry.id === latest.answer,
      };
      if (!view.update(entry, around)) whole = false;
    });
    this.#arrange(entries);
    this.#arrive();
    return whole;
  }

  /** Of a conversation that is opened, from the end on, some more each time. */
  #drawnNow(entries) {
    if (this.isWhole && this.#views.size > 0) return entries;
    let left = AT_ONCE;
    let from = entries.length;
    while (from > 0 && (this.#views.has(entries[from - 1].id) || left-- > 0)) from -= 1;
    this.isWhole = from === 0;
    return entries.slice(from);
  }

  #choose({ id, itemId }, direction) {
    this.#chosen = { id, direction };
    this.actions.choose(itemId);
  }

  #arrive() {
    const view = this.#chosen && this.#views.get(this.#chosen.id);
    if (!view) return;
    view.versions.arrived(this.#chosen.direction);
    this.#chosen = null;
  }

  #add(entry) {
    const view =
      entry.kind === "response"
        ? new AnswerView({
            onRetry: this.actions.tryAgain,
            onTakeBack: this.actions.takeBack,
            onDecide: this.actions.decide,
            onRate: this.actions.rate,
            onRead: this.actions.read,
            onChoose: (version, direction) => this.#choose(version, direction),
          })
        : new MessageView(entry, {
            onRetry: this.actions.sendAgain,
            onEdit: this.actions.edit,
            onReword: this.actions.reword,
            urlOf: this.actions.urlOf,
            onChoose: (version, direction) => this.#choose(version, direction),
          });
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

/** The ids of the approvals that are here, each with the call that came of it, or undefined. */
function approvalsOf(entries) {
  const items = entries.flatMap((entry) => entry.items ?? []);
  const asked = items.filter(({ kind }) => kind === "approval");
  return new Map(asked.map(({ id }) => [id, items.findLast(({ approvalId }) => approvalId === id)]));
}
