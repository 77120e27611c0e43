/**
 * Sends a notification to a webhook: each attempt has a deadline, and what may succeed later is tried again with growing pauses, for as long
 * as the caller allows. Whoever was not reached is told so: the notification stays due.
 */
import type { Clock, Log } from '@coequal/kernel';
import { Channel, type StoreCredentials, type StoreTls } from '../../store/adapters/request.ts';
import type { WebhookPayload } from '../payload.ts';

export type WebhookOptions = {
  readonly url: string;
  readonly tls?: StoreTls;
  readonly credentials?: StoreCredentials;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** One attempt, milliseconds. */
  readonly deadlineMs?: number;
  /** All attempts together. */
  readonly patienceMs?: number;
};

/** `told`: taken, or refused for good, which is logged. `again`: nobody took it in time. */
export type WebhookOutcome = {
  readonly outcome: 'told' | 'again';
  readonly attempts: number;
  readonly what: string | undefined;
};

const usual = { deadlineMs: 10_000, patienceMs: 60_000 };
const firstPauseMs = 500;
const longestPauseMs = 15_000;
/** An answer that is longer is not read; its status counts. */
const answerBytes = 64 * 1_024;

export const sendWebhook = async (payload: WebhookPayload, options: WebhookOptions): Promise<WebhookOutcome> => {
  const { url, tls, credentials, clock, log, signal } = options;
  const { deadlineMs = usual.deadlineMs, patienceMs = usual.patienceMs } = options;
  const channel = new Channel({
    url,
    deadlineMs,
    answerBytes,
    signal,
    ...(tls === undefined ? {} : { tls }),
    ...(credentials === undefined ? {} : { credentials }),
  });
  const body = JSON.stringify(payload);
  const end = clock.monotonic() + patienceMs;
  try {
    for (let attempts = 1; ; attempts += 1) {
      const answer = await channel.ask({
        method: 'POST',
        path: '',
        headers: { 'content-type': 'application/json' },
        body,
      });
      if (answer.ok && answer.status >= 200 && answer.status < 300)
        return { outcome: 'told', attempts, what: undefined };
      const what = answer.ok ? `it answers ${answer.status}: ${answer.text.slice(0, 200)}` : answer.what;
      if (answer.ok && isFinal(answer.status)) {
        log('error', 'notification refused', { receiver: payload.receiver, what });
        return { outcome: 'told', attempts, what };
      }
      const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** (attempts - 1));
      if (signal.aborted || clock.monotonic() + pauseMs > end) return { outcome: 'again', attempts, what };
      await clock.sleep(pauseMs, signal).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
    }
  } finally {
    channel.close();
  }
};

/** What this body will never get past. */
const isFinal = (status: number): boolean => status >= 300 && status < 500 && status !== 408 && status !== 429;
