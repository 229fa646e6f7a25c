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

/** `name`: of whoever is there, empty for nobody by name. True where somebody else was, in this tab, on this page or one before it: what
 * they left is forgotten, it is not for whoever sits there next. A guest's is theirs still when they sign in. */
export function hasSignedOut(name) {
  const storage = tabStorage();
  const before = storage.getItem(NAMED) ?? "";
  if (name) storage.setItem(NAMED, name);
  else storage.removeItem(NAMED);
  const isLeft = before !== "" && before !== name;
  if (isLeft) forgetHere();
  return isLeft;
}
