/** Copying, also on plain http, where browsers offer no clipboard. */

import { announce, icon } from "./dom.js";
import { gettext } from "./words.js";

const SHOWN_MS = 1_600;

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
  const drawing = button.querySelector(".icon");
  let worked = true;
  try {
    await write(text);
  } catch {
    worked = false;
  }
  const sign = icon(worked ? "check" : "alert");
  drawing.replaceWith(sign);
  button.classList.toggle("did-copy", worked);
  announce(worked ? gettext("Copied") : gettext("Copying failed"));
  setTimeout(() => {
    sign.replaceWith(drawing);
    button.classList.remove("did-copy");
  }, SHOWN_MS);
}
