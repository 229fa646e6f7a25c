/**
 * What went wrong, in a sentence for whoever chats: by the error's code, never in the server's words, which are for those who
 * run it. They find them in the log and in the admin.
 */

import { gettext } from "./words.js";

const LATER = gettext("The assistant cannot answer at the moment. Please try again later.");
const AGAIN = gettext("The answer did not come through. Please try again.");
const BUSY = gettext("Very many people are asking at the moment. Please try again in a moment.");
const NEW_CHAT = gettext("This conversation has become too long. Please start a new one.");
const FAILED = gettext("That did not work. Please try again.");
const GONE = gettext("This is not there any more. Load the page again.");
const SIGN_IN = gettext("Please sign in to go on.");
const WAIT = gettext("That was much in a short time. Please wait a little, then send it again.");
const NOT_KEPT = gettext("The chat cannot keep anything at the moment. Please try again in a moment.");
const OTHER_FILE = gettext("Files of this kind are not taken. Send a picture, a PDF or a text.");
const NOT_HERE = gettext("This page may not open the chat. Please write to us in another way.");

export const SENTENCES = {
  model_bad_credentials: LATER,
  model_not_found: LATER,
  model_bad_request: LATER,
  model_not_allowed: gettext("This model cannot be chosen here. Choose another one."),
  model_error: LATER,
  model_quota_exceeded: BUSY,
  model_overloaded: BUSY,
  model_unreachable: AGAIN,
  model_timeout: AGAIN,
  model_bad_answer: AGAIN,
  model_empty_answer: AGAIN,
  internal_error: AGAIN,
  interrupted: AGAIN,
  model_refused: gettext("The assistant does not answer this. Ask in other words, or something else."),
  content_filter: gettext("The assistant does not answer this. Ask in other words, or something else."),
  model_context_too_long: NEW_CHAT,
  session_full: NEW_CHAT,
  budget_exceeded: gettext("This conversation has come to its end for today. Please start a new one, or come back tomorrow."),
  max_output_tokens: gettext("It had become too long. Ask for the rest to have it go on."),
  max_tool_rounds: gettext("It took too many steps. Ask for less at once."),
  message_too_large: gettext("The message is too long. Shorten it, or send it in parts."),
  rate_limit_exceeded: WAIT,
  rate_limited: WAIT,
  queue_full: gettext("Several messages wait for an answer already. Send it again when one is answered."),
  conversation_already_has_active_response: gettext("An answer is being written already. Wait for its end, or stop it."),
  too_many_connections: gettext("The chat is open too often. Close it in other tabs, then try again."),
  invalid_credentials: SIGN_IN,
  credentials_ended: SIGN_IN,
  token_refused: SIGN_IN,
  origin_refused: NOT_HERE,
  chosen_id_refused: NOT_HERE,
  forbidden: NOT_HERE,
  read_only_key: gettext("You can read this conversation, and not write in it. Start a new one to write."),
  assistant_not_found: gettext("This assistant is not there any more. Please write to us in another way."),
  invalid_session_id: gettext("There is no such session here, or it is not yours."),
  session_not_found: gettext("There is no such session here, or it is not yours."),
  session_over: gettext("This conversation has ended. Please start a new one."),
  item_not_found: GONE,
  not_an_answer: GONE,
  nothing_to_retry: GONE,
  response_cancel_not_active: gettext("There is no answer to stop."),
  approval_waits: gettext("A question waits for your yes or no. Answer it first."),
  already_decided: gettext("This was answered already."),
  too_much_feedback: gettext("This answer was rated often enough. The last rating counts."),
  file_type_refused: OTHER_FILE,
  unsupported_content: OTHER_FILE,
  file_unreadable: gettext("This file cannot be read: it is damaged, locked or too large. Send another one."),
  file_too_large: gettext("This file is too large. Send a smaller one."),
  file_not_found: gettext("This file is not there any more. Please send it again."),
  file_storage_unavailable: gettext("Files cannot be kept at the moment. Please try again in a moment."),
  upload_failed: gettext("The file could not be sent. Please try again."),
  too_many_files: gettext("These are too many files for one message. Send some of them with the next one."),
  model_cannot_read_file: gettext("The assistant cannot read a file of this message. Take it out, or send what stands in it as text."),
  server_restarting: gettext("The server is being renewed. The chat goes on in a moment."),
  session_moved: gettext("The chat is being moved. It goes on in a moment."),
  storage_unavailable: NOT_KEPT,
  storage_error: NOT_KEPT,
  storage_rejected: NOT_KEPT,
};

const OVER = new Set(["budget_exceeded", "session_full", "model_context_too_long"]);

/** Asking again in the same conversation cannot help. */
export function needsNewChat(code) {
  return OVER.has(code);
}

/** The sentence for an error's code, or for why an answer is not complete. */
export function sentence(code) {
  return SENTENCES[code] ?? FAILED;
}
