/** One tool call as a folded card: in words what it is about, and its state, on the outside; what went in and came out within. */

import { el, icon, setText } from "./dom.js";
import { duration, gist, prettyJson, toolTitle } from "./format.js";
import { gettext } from "./words.js";

export const TOOL_STATES = {
  running: { icon: "spinner", text: gettext("Running") },
  completed: { icon: "check", text: gettext("Done") },
  failed: { icon: "alert", text: gettext("Failed") },
  unknown: { icon: "question", text: gettext("Outcome unknown") },
};

export class ToolCard {
  constructor(item) {
    this.sign = el("span", { class: "tool-sign" });
    this.state = el("span", { class: "tool-state" });
    this.time = el("span", { class: "tool-time" });
    const name = el("span", { class: "tool-name", text: toolTitle(item.name) });
    this.about = el("bdi", { class: "tool-about" });
    const summary = el("summary", {}, this.sign, name, this.about, this.state, this.time, icon("chevron"));
    this.body = el("div", { class: "tool-body" });
    this.node = el("details", { class: "tool-card", "data-tool": item.name }, summary, this.body);
  }

  update(item) {
    const state = TOOL_STATES[item.status];
    if (this.node.dataset.state !== item.status) this.sign.replaceChildren(icon(state.icon));
    this.node.dataset.state = item.status;
    setText(this.state, item.client && item.status === "running" ? gettext("Waiting for this page") : state.text);
    setText(this.about, gist(item.arguments));
    setText(this.time, item.status === "running" ? "" : duration(item.durationMs));
    this.body.replaceChildren(...toolDetails(item));
    return true;
  }
}

/** What went in, and what came out, as the tool's author wants it. */
export function toolDetails(item) {
  const parts = [section(gettext("Asked"), item.arguments || "{}")];
  if (item.output !== null) parts.push(section(gettext("Answered"), item.output));
  if (item.problem !== null) parts.push(section(gettext("Failed with"), item.problem));
  return [el("p", { class: "tool-call-name" }, el("code", { text: item.name })), ...parts];
}

function section(title, text) {
  const content = el("pre", { tabindex: "0", dir: "ltr" }, el("code", { text: prettyJson(text) }));
  return el("section", {}, el("p", { class: "tool-part", text: title }), content);
}
