/** Copying, also on plain http, where browsers offer no clipboard. */

import { announce, icon } from "./dom.js";
import { gettext } from "./words.js";

const SHOWN_MS = 1_600;
/** Of the buttons that show a sign now: {drawing: their own, timer: when it comes back}. */
const signed = new WeakMap();

async function write(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (!copied) throw new Error("this browser does not let a page copy");
}

/** Copy, and show on the button for a moment whether it worked. */
export async function copyFrom(button, text) {
  let worked = true;
  try {
    await write(text);
  } catch {
    worked = false;
  }
  const sign = icon(worked ? "check" : "alert");
  const shown = button.querySelector(".icon");
  const before = signed.get(button); // pressed again meanwhile: what is shown is a sign, not the button's drawing
  clearTimeout(before?.timer);
  const drawing = before?.drawing ?? shown;
  shown.replaceWith(sign);
  button.classList.toggle("did-copy", worked);
  announce(worked ? gettext("Copied") : gettext("Copying failed"));
  const timer = setTimeout(() => {
    sign.replaceWith(drawing);
    button.classList.remove("did-copy");
    signed.delete(button);
  }, SHOWN_MS);
  signed.set(button, { drawing, timer });
}
