/**
 * Whether a connection is alive, which no browser tells: a line that swallows everything looks like one on which nobody
 * speaks.
 *
 * Where something is waited for, it is probed after 5 s: with a ping that the server answers. Without an answer it is dead,
 * 10 s after the silence began at the latest. A connection on which nothing is waited for is probed now and then.
 */

export const Verdict = Object.freeze({ WELL: "well", PROBE: "probe", DEAD: "dead" });

export const LOOK_EVERY_MS = 500;
const PROBE_AFTER_MS = 5_000;
const ANSWER_WITHIN_MS = 4_000;
const IDLE_PROBE_MS = 25_000;
/** A look that comes so late was held up, by sleep or by work: then what has arrived may not have been read yet. */
const HELD_UP_MS = 2_500;

export class Pulse {
  #now;
  #heardAt = 0;
  #provenAt = 0;
  #sentAt = null;
  #probedAt = null;
  #lookedAt = 0;
  #doubted = false;

  /** @param {() => number} now milliseconds of a clock that only goes forward */
  constructor(now = () => performance.now()) {
    this.#now = now;
  }

  opened() {
    this.#heardAt = this.#provenAt = this.#lookedAt = this.#now();
    this.#sentAt = this.#probedAt = null;
    this.#doubted = false;
  }

  /** Any frame of the server's; `answers`: it shows that what this side sends arrives, too. */
  heard(answers) {
    this.#heardAt = this.#now();
    if (!answers) return;
    this.#provenAt = this.#heardAt;
    this.#probedAt = null;
  }

  /** Something was sent that the server has to acknowledge; `acknowledged` when nothing of that is left. */
  sent() {
    this.#sentAt ??= this.#now();
  }

  acknowledged() {
    this.#sentAt = null;
  }

  /** Look at once, whatever is waited for. */
  doubt() {
    this.#doubted = true;
  }

  /**
   * To be asked every half second.
   * @param {{answering: boolean, watched: boolean, catchingUp: boolean}} what goes on: an answer is being written, somebody
   *   looks, the past is being replayed (behind which an answer may have to wait)
   */
  look({ answering, watched, catchingUp }) {
    const now = this.#now();
    const heldUp = now - this.#lookedAt > HELD_UP_MS;
    this.#lookedAt = now;
    if (this.#probedAt !== null) return this.#afterProbe(now, heldUp, catchingUp);
    const silentSince = Math.min(
      this.#sentAt ?? Infinity,
      answering ? this.#heardAt : Infinity,
      watched ? this.#heardAt + IDLE_PROBE_MS - PROBE_AFTER_MS : Infinity,
    );
    const isQuiet = now - Math.max(silentSince, this.#provenAt) >= PROBE_AFTER_MS;
    if (!isQuiet && !this.#doubted) return Verdict.WELL;
    this.#doubted = false;
    this.#probedAt = now;
    return Verdict.PROBE;
  }

  #afterProbe(now, heldUp, catchingUp) {
    if (heldUp) {
      this.#probedAt = now;
      return Verdict.PROBE;
    }
    const since = catchingUp ? Math.max(this.#probedAt, this.#heardAt) : this.#probedAt;
    return now - since < ANSWER_WITHIN_MS ? Verdict.WELL : Verdict.DEAD;
  }
}
