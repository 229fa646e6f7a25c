/**
 * Places in a session's stream of frames.
 *
 * A record of seq n gives frames with the ids `event_{session}_{n}.1`, `.2`, ... and, for its last one,
 * `event_{session}_{n}`. A place is `{seq, index}`, the index of a record's last frame being Infinity.
 */

export const START = Object.freeze({ seq: 0, index: Infinity });

/** The place that an event id names; null for an id that is no place in this session's stream. */
export function parsePlace(sessionId, eventId) {
  const prefix = `event_${sessionId}_`;
  if (!sessionId || typeof eventId !== "string" || !eventId.startsWith(prefix)) return null;
  const match = /^(\d+)(?:\.(\d+))?$/.exec(eventId.slice(prefix.length));
  return match && { seq: Number(match[1]), index: match[2] ? Number(match[2]) : Infinity };
}

export function placeId(sessionId, place) {
  const index = place.index === Infinity ? "" : `.${place.index}`;
  return `event_${sessionId}_${place.seq}${index}`;
}

export function isAfter(place, other) {
  return place.seq > other.seq || (place.seq === other.seq && place.index > other.index);
}
