// The review desk of the admin: keys, the panel beside a session, and what was searched for.

import { Away } from "./away.js";
import { showHit } from "./hit.js";
import { Keys } from "./keys.js";
import { beginsOnScreen } from "./onscreen.js";
import { actOnRow, actOnTicked, Panel, takesByEnter } from "./panel.js";
import { keepInReach } from "./reach.js";

const panel = document.querySelector("[data-desk]");
const talk = document.querySelector("[data-hit]");

const keys = new Keys({ onRow: actOnRow, onTicked: actOnTicked });
document.addEventListener("keydown", takesByEnter);
for (const button of document.querySelectorAll("[data-row-act]")) {
  button.hidden = false;
  button.addEventListener("click", () => keys.press(button.dataset.rowAct, button.closest(".data-row")));
}
keepInReach(document);
for (const details of document.querySelectorAll("details.desk-save")) {
  details.addEventListener("toggle", () => details.open && details.querySelector("input[type=text], button").focus());
}
for (const all of document.querySelectorAll("[data-all]")) {
  const boxes = [...document.querySelectorAll(`input[type=checkbox][name="${all.dataset.all}"]`)];
  all.closest("label").hidden = boxes.length < 2;
  all.addEventListener("change", () => boxes.forEach((box) => (box.checked = all.checked)));
}
for (const toast of document.querySelectorAll("li:has(.inbox-undo) > div")) {
  const close = Object.assign(document.createElement("button"), { type: "button", className: "desk-close", textContent: "\u00d7" });
  close.setAttribute("aria-label", "Close");
  close.dataset.key = "Escape";
  close.addEventListener("click", () => toast.closest("li").remove());
  toast.append(close);
}
const many = document.getElementById("inbox-many");
if (many) {
  new Away(many, keys);
}
if (panel) {
  new Panel(panel);
}
if (talk) {
  showHit(talk);
}
const [replay, transcript] = [document.querySelector("[data-replay]"), document.querySelector(".sx-talk")];
if (replay && transcript) {
  beginsOnScreen(replay, transcript);
}
const where = document.querySelector("[data-where]");
const head = document.querySelector(".sx-head h2");
if (where && head) {
  // Whose conversation it is stays in sight where its head does not.
  new IntersectionObserver(([{ isIntersecting }]) => (where.hidden = isIntersecting)).observe(head);
}
keys.begin();
