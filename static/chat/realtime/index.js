/**
 * A client of a realtime AI session, without dependencies: connects, resumes after every cut, delivers once.
 *
 *     const chat = new RealtimeClient("wss://chat.example.com/v1/realtime", { key });
 *     chat.addEventListener("response.output_text.delta", ({ detail }) => show(detail.delta));
 *     chat.connect();
 *     chat.send("Hello!");
 *
 * `emptyTranscript`, `reduce` and `prepend` make of the events what was said, for whoever draws a conversation,
 * and `chosenPath` which versions of it are chosen.
 */

export { RealtimeClient } from "./client.js";
export { Phase } from "./connection.js";
export { UploadError, filePart } from "./files.js";
export { newId, userMessage } from "./messages.js";
export { Outbox } from "./outbox.js";
export { emptyTranscript, prepend, reduce } from "./transcript.js";
export { chosenPath } from "./versions.js";
