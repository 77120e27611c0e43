/** Every bound of the line to agents, with its reason. */

const dayMs = 86_400_000;

export const handsLimits = {
  /** Lines at once: an estate of a thousand hosts dialling twice. */
  lines: 2_000,
  /** Of those that have not said who they are; they have this long for it. */
  strangers: 64,
  strangerMs: 10_000,
  /** A line on which nothing is heard for so long is dead; agents say something every five seconds. */
  silenceMs: 20_000,
  lookEveryMs: 1_000,
  /** Bytes that wait for an agent; one that does not read is hung up on. */
  backlogBytes: 4 * 2 ** 20,
  /** An invitation is for now. */
  invitationMs: 3_600_000,
  previewMs: 30_000,
  authorityDays: 3_650,
  /** Clocks further apart than this are told. */
  clockOffsetMs: 1_000,
  /** The platform's own certificate is looked at so often. */
  renewEveryMs: dayMs / 4,
} as const;
