/** What this browser keeps of conversations: drafts, messages that the server does not have yet, and which session was made for them. */

import { tabStorage } from "./tab_storage.js";

const KINDS = ["chat.draft.", "chat.outbox.", "chat.begun."];
const NAMED = "chat.named";

/** Of one session, or of all of them. */
export function forgetHere(sessionId = null) {
  try {
    for (const key of Object.keys(sessionStorage)) {
      const kind = KINDS.find((one) => key.startsWith(one));
      if (kind && (sessionId === null || key === kind + sessionId)) sessionStorage.removeItem(key);
    }
  } catch {
    // no storage: nothing is kept
  }
}

/** In a frame: somebody is there by name, or by none. True where a customer has signed out, here or on a page before this one: what
 * they left is forgotten, it is not for whoever sits there next. */
export function hasSignedOut(isNamed) {
  const storage = tabStorage();
  const was = storage.getItem(NAMED) !== null;
  if (isNamed) storage.setItem(NAMED, "1");
  else storage.removeItem(NAMED);
  if (was && !isNamed) forgetHere();
  return was && !isNamed;
}
