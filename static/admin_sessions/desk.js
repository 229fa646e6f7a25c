// The review desk of the admin: keys, the panel beside a session, and what was searched for.

import { showHit } from "./hit.js";
import { Keys } from "./keys.js";
import { actOnRow, Panel } from "./panel.js";
import { keepInReach } from "./reach.js";

const panel = document.querySelector("[data-desk]");
const talk = document.querySelector("[data-hit]");

new Keys(actOnRow);
keepInReach(document);
if (panel) {
  new Panel(panel);
}
if (talk) {
  showHit(talk);
}
