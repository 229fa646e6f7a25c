// The review desk of the admin: keys, the panel beside a session, and what was searched for.

import { Away } from "./away.js";
import { showHit } from "./hit.js";
import { Keys } from "./keys.js";
import { beginsOnScreen } from "./onscreen.js";
import { actOnRow, Panel } from "./panel.js";
import { keepInReach } from "./reach.js";

const panel = document.querySelector("[data-desk]");
const talk = document.querySelector("[data-hit]");

const keys = new Keys(actOnRow);
keepInReach(document);
for (const details of document.querySelectorAll("details.desk-save")) {
  details.addEventListener("toggle", () => details.open && details.querySelector("input[type=text], button").focus());
}
for (const all of document.querySelectorAll("[data-all]")) {
  const boxes = [...document.querySelectorAll(`input[type=checkbox][name="${all.dataset.all}"]`)];
  all.closest("label").hidden = boxes.length < 2;
  all.addEventListener("change", () => boxes.forEach((box) => (box.checked = all.checked)));
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
