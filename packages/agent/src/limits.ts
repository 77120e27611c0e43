/** Every bound of an agent, with its reason. */

/** How long a round waits for its sources: the rest of the second is for sending. */
export const roundWaitMs = 700;
/** A source that takes longer is down. A database under load answers late before it stops answering. */
export const sourceDeadlineMs = 2_500;
/** Gateways are on loopback. */
export const gatewayDeadlineMs = 900;
export const longestScrapeMs = 10_000;

/** Samples in one body: what a store takes without a pause. */
export const samplesPerBody = 20_000;
/** An hour of 1,000 signals a second is about 50 MB; hosts with more of them have larger disks. */
export const outboxBytes = 512 * 2 ** 20;
/** Read at once when it is sent later. */
export const outboxSegmentBytes = 2 ** 20;
/** Events are few and small; a storm of log lines is counted, not listed. */
export const eventsOutboxBytes = 16 * 2 ** 20;
export const eventsSegmentBytes = 2 ** 19;
/** In one report; the contract allows no more. */
export const eventsPerReport = 1_000;
/** Bodies on their way to a platform, which watches the present: what is older is in the store. */
export const liveBodies = 10;

export const storeDeadlineMs = 5_000;
export const platformDeadlineMs = 2_000;
/** Pauses between attempts, doubling from the first to the last. */
export const firstPauseMs = 500;
export const longestStorePauseMs = 15_000;
/** A platform that comes back wants to see the present at once. */
export const longestPlatformPauseMs = 2_000;
/** What others answer to a write is a few words. */
export const answerBytes = 64 * 2 ** 10;

/** At the end: what can be sent within this time is, the rest waits on disk. */
export const endDeadlineMs = 3_000;
/** A change that is told. */
export const noticeBytes = 64 * 2 ** 10;
