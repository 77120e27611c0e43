/** Every bound of the acting half of an agent, with its reason. */

/** Orders whose end is remembered: the same key is done once as long as it is among them. */
export const keptOrders = 5_000;
/** In progress at once: each instance and gateway has one at most. */
export const ordersAtOnce = 16;
/** How often the check afterwards is asked. */
export const checkEveryMs = 200;
/** A check of something that hangs must not hang. */
export const checkMs = 15_000;
/** A server that was asked to end answers for a moment longer. */
export const quietMs = 3_000;
/** Putting back has time of its own: the deadline of the order may have passed. */
export const putBackMs = 60_000;
/** What is in progress when the agent is told to end may come to its end. */
export const endMs = 30_000;
/** Orders that were in progress when an agent was killed are settled in this time at most. */
export const settleMs = 120_000;

/** The line. A platform that is away is dialled again with pauses from the first to the longest. */
export const dialMs = 10_000;
export const firstPauseMs = 500;
export const longestPauseMs = 15_000;
export const pingEveryMs = 5_000;
/** Nothing heard for so long: the line is dead, whatever the network says. */
export const silenceMs = 20_000;
/** Bytes that wait for the line; beyond it the other side does not read. */
export const lineBacklogBytes = 4 * 2 ** 20;
export const renewalCheckMs = 60_000;

/** How often instances are looked at for healing. */
export const healEveryMs = 1_000;
/** A restart by itself has this long. */
export const healDeadlineMs = 120_000;

/** Output of a script that is kept. */
export const scriptOutputBytes = 16 * 2 ** 20;
export const scriptFileBytes = 4 * 2 ** 20;
/** From the polite signal to the other one. */
export const scriptGraceMs = 5_000;
