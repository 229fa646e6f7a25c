/** How an answer that is not complete ended, in words. */

import { sentence } from "./sentences.js";
import { gettext } from "./words.js";

const BY_STATUS = {
  failed: { icon: "alert", title: gettext("The answer failed.") },
  incomplete: { icon: "alert", title: gettext("The answer is not complete.") },
  cancelled: { icon: "stop", title: gettext("This answer was stopped.") },
};

/** Of a person who has stepped in: there is nothing to try again. */
const BY_PERSON = {
  operator_stopped: { icon: "stop", title: gettext("A member of staff stopped this answer.") },
  operator_took_over: { icon: "stop", title: gettext("This answer was stopped: a person answers from here on.") },
  answered_by_person: { icon: "tick", title: gettext("A person has answered this already.") },
};

/** Of one that another stands in for. */
const WRITTEN_AGAIN = { icon: "retry", title: gettext("The server restarted: your answer is written again below.") };

/** {icon, title, why: a sentence or "", final: trying again is no use}; null for one that goes on, or is complete. */
export function endingOf({ status, reason, retried }) {
  if (reason === "interrupted" && retried) return { ...WRITTEN_AGAIN, why: "", final: false };
  const ending = BY_PERSON[reason] ?? BY_STATUS[status];
  if (!ending) return null;
  return { ...ending, why: status === "cancelled" ? "" : sentence(reason), final: reason in BY_PERSON };
}
