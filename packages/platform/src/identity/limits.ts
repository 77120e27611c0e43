/** Every bound of identity in one place, each with its reason. Times are milliseconds. */

const minute = 60_000;
const hour = 60 * minute;

export const identityLimits = {
  session: {
    /** However busy it is: somebody proves anew who they are once a working day. */
    mostMs: 12 * hour,
    idleMs: 15 * minute,
    /** A use is written down at most so often, so that reading does not write. */
    noteEveryMs: 5_000,
    /** A factor older than this proves nothing about who sits there now. */
    freshMs: 5 * minute,
    ofPerson: 20,
  },
  /** Between the question and the answer of a passkey: the browser's own dialogue waits as long. */
  ceremonyMs: 5 * minute,
  /** Open ones that anybody may ask for, rows of 300 bytes: one source at the rate of its class needs more than four minutes for them. */
  ceremonies: 5_000,
  enrolment: { firstMs: hour, linkMs: 72 * hour, againMs: 24 * hour },
  terminal: { openMs: 10 * minute, pollSeconds: 2, open: 200, ofSource: 20 },
  passkeys: 20,
  devices: 50,
  people: 10_000,
  grants: 50,
  recoveryCodes: 10,
  attempts: {
    /** Of one source against one account. */
    pair: 5,
    /** Of one source against any. */
    source: 50,
    /** Of all sources that the account does not know; devices it knows and passkeys go on working. */
    account: 30,
    windowMs: 15 * minute,
    /** Remembered: beyond it the oldest are forgotten. */
    kept: 20_000,
  },
  directory: { deadlineMs: 10_000, groups: 1_000 },
  sweepMs: 1_000,
  /** Ended sessions, used codes and the like stay so long, for whoever asks what happened. */
  keptMs: 90 * 24 * hour,
} as const;
