/** The client events that are sent. */

/** `prefix_` and 96 random bits. */
export function newId(prefix) {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return `${prefix}_${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/**
 * A user's message; sent again under the same id it is the same message.
 * @param {string | object[]} content a text, or parts of it as the Realtime API has them
 * @param {string} [replaces] the message in whose place it stands
 */
export function userMessage(content, itemId = newId("item"), replaces = "") {
  const parts = typeof content === "string" ? [{ type: "input_text", text: content }] : content;
  return {
    type: "conversation.item.create",
    event_id: `event_${itemId}`,
    item: { id: itemId, type: "message", role: "user", content: parts },
    ...(replaces && { x_replaces: replaces }),
  };
}

/** The wish to go on from another version of a message, or of an answer: by an item of it. */
export function versionChoice(itemId) {
  return { type: "x_version.choose", event_id: newId("event"), item_id: itemId };
}

/** The wish that the session be so from now on. */
export function sessionUpdate(changes) {
  return { type: "session.update", event_id: newId("event"), session: { type: "realtime", ...changes } };
}

/** The wish for an answer; with `retryOf` for another try at a response, or another version of it. */
export function responseCreate(retryOf = null) {
  const event = { type: "response.create", event_id: newId("event") };
  return retryOf ? { ...event, response: { x_retry_of: retryOf } } : event;
}

/** The user's answer to a tool call that needs their yes. */
export function approvalResponse(requestId, approve, itemId = newId("item")) {
  return {
    type: "conversation.item.create",
    event_id: `event_${itemId}`,
    item: { id: itemId, type: "mcp_approval_response", approval_request_id: requestId, approve },
  };
}

/** What the user thinks of an answer: `rating` up, down or none. */
export function feedback(itemId, { rating, reason = "", comment = "" }) {
  return { type: "x_feedback.give", event_id: newId("event"), item_id: itemId, rating, reason, comment };
}
