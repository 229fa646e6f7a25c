/** A tool call that needs a person's yes: what it would do, the two buttons, and who decided. */

import { el, icon, setText } from "./dom.js";
import { prettyJson, toolTitle } from "./format.js";
import { gettext, ngettext } from "./words.js";

export class ApprovalCard {
  #item = null;

  /** `onDecide` is called with the item and true or false. */
  constructor(item, { onDecide }) {
    const decide = (approve) => {
      this.#busy(true);
      onDecide(this.#item, approve);
    };
    this.said = el("span", { class: "approval-state" });
    this.yes = el("button", { type: "button", class: "button primary", text: gettext("Approve") });
    this.no = el("button", { type: "button", class: "button", text: gettext("Refuse") });
    this.yes.addEventListener("click", () => decide(true));
    this.no.addEventListener("click", () => decide(false));
    this.buttons = el("div", { class: "approval-buttons" }, this.yes, this.no);
    const title = el("strong", { text: toolTitle(item.name) });
    const head = el("p", { class: "approval-head" }, icon("question"), title, this.said);
    const wanted = el("pre", { tabindex: "0", dir: "ltr" }, el("code", { text: prettyJson(item.arguments || "{}") }));
    const asked = item.asks ? el("p", { class: "approval-asks", dir: "auto", text: item.asks }) : null;
    const details = el("details", { class: "approval-details" }, el("summary", { text: gettext("Details") }), wanted);
    this.node = el(
      "section",
      { class: "approval-card", "aria-label": gettext("Approval of {tool}", { tool: toolTitle(item.name) }) },
      head,
      ...(asked ? [asked, details] : [wanted]),
      this.buttons,
    );
  }

  update(item) {
    this.#item = item;
    this.node.dataset.state = item.approved === null ? "open" : item.approved ? "approved" : "refused";
    this.buttons.hidden = item.approved !== null;
    this.yes.hidden = item.agreed;
    this.#busy(item.deciding);
    setText(this.said, words(item));
    return true;
  }

  #busy(busy) {
    this.yes.disabled = this.no.disabled = busy;
  }
}

function words({ approved, by, pending }) {
  if (pending) return ngettext("needs the yes of one more person", "needs the yes of {n} more people", pending);
  if (approved === null) return gettext("needs your approval before it runs");
  if (by && by !== "client")
    return approved ? gettext("was approved by our team") : gettext("was refused by our team");
  return approved ? gettext("was approved") : gettext("was refused");
}
