/** The pictures and files of a message: thumbnails that open, and names to download. */

import { el, icon } from "./dom.js";
import { fileSize } from "./format.js";
import { gettext } from "./words.js";

const THUMB_PX = 240;
/** An address works for some minutes, where one comes by a key. */
const FRESH_MS = 5 * 60_000;

/** `urlOf(id)` gives a promise of a file's address. None: the message has no files. */
export function filesView(files, urlOf) {
  if (files.length === 0) return null;
  return el("ul", { class: "message-files", "aria-label": gettext("Files") }, ...files.map((file) => item(file, urlOf)));
}

function item(file, urlOf) {
  const link = el("a", { class: "message-file", target: "_blank", rel: "noopener" });
  const isPicture = file.media_type.startsWith("image/");
  if (isPicture) link.append(picture(file));
  else link.append(icon("file"), el("bdi", { text: file.name }), el("span", { class: "meta", text: fileSize(file.bytes) }));
  let at = 0;
  const address = () => {
    at = Date.now();
    return Promise.resolve(urlOf(file.id)).then(
      (url) => {
        link.href = url;
        if (isPicture) link.firstChild.src = url;
      },
      () => {}, // gone: its name stays
    );
  };
  const isStale = () => Date.now() - at > FRESH_MS;
  link.addEventListener("click", (event) => {
    if (!isStale()) return;
    event.preventDefault();
    address().then(() => link.click());
  });
  if (isPicture) link.firstChild.addEventListener("error", () => isStale() && address()); // it is fetched when it comes near
  address();
  return el("li", {}, link);
}

/** Its place is kept before it is there, so that nothing jumps. */
function picture({ name, width, height }) {
  const scale = Math.min(1, THUMB_PX / Math.max(width, height, 1));
  const size = width ? { width: Math.max(24, Math.round(width * scale)), height: Math.max(24, Math.round(height * scale)) } : {};
  return el("img", { alt: name, title: name, loading: "lazy", ...size });
}
