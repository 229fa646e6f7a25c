/** What this browser keeps of conversations: drafts, and messages that the server does not have yet. */

const KINDS = ["chat.draft.", "chat.outbox."];

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
