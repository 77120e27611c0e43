/**
 * Tells people and programs of alerts over webhooks. Who was told of what is on disk before the next look, so that a restart tells
 * nobody twice without need, and leaves out nobody: what was under way is sent again.
 */
import type { Incident } from '@coequal/contract';
import type { Platform } from '@coequal/estate';
import { type Clock, type Counters, type Log, reasonOf } from '@coequal/kernel';
import {
  type GroupsState,
  inhibitedBy,
  type Labels,
  type Notification,
  noGroups,
  payloadOf,
  type Receiver,
  reopened,
  sendWebhook,
  settle,
  stepGroups,
  usualReceiver,
} from '@coequal/signals';
import type { DocumentStore } from '../../store/port.ts';
import type { Silences } from '../silences.ts';
import { inhibitRules, toldAlerts } from '../told.ts';

export type NotifierOptions = {
  readonly platform: Platform;
  readonly url: string;
  readonly silences: Silences;
  readonly documents: DocumentStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: Counters;
};

export type Notifier = {
  /** Looks at what is open now, and sends what is due. */
  readonly look: (open: readonly Incident[]) => void;
  readonly close: () => Promise<void>;
};

const documentName = 'notifications';
/** Attempts for one notification; then it waits for its group's next look. */
const patienceMs = 30_000;
const endMs = 3_000;

export const startNotifier = (options: NotifierOptions): Notifier => {
  const { platform, silences, documents, clock, log, counters, url } = options;
  const receivers = platform.webhooks.map(
    ({ resolved }, index): Receiver => ({ ...usualReceiver, name: `webhook-${index + 1}`, sendResolved: resolved }),
  );
  const sent = counters.counter({
    name: 'coequal_platform_notifications_total',
    help: 'Notifications, by what became of them.',
    labels: ['outcome'],
  });
  const ended = new AbortController();
  const running = new Set<Promise<void>>();
  let state = restored(documents, log);
  let written = JSON.stringify(state);

  const keep = (next: GroupsState): void => {
    state = next;
    const text = JSON.stringify(next);
    if (text === written) return;
    try {
      documents.put(documentName, next);
      written = text;
    } catch (error) {
      log('error', 'who was told could not be written', { reason: reasonOf(error) });
    }
  };

  const send = async (notification: Notification): Promise<void> => {
    const hook = platform.webhooks[receivers.findIndex(({ name }) => name === notification.receiver)];
    if (hook === undefined) return;
    const { tokenFile } = hook;
    const { outcome, what } = await sendWebhook(payloadOf(notification, url), {
      ...{ url: hook.url, clock, log, signal: ended.signal, patienceMs },
      ...(tokenFile === undefined ? {} : { credentials: { kind: 'bearer' as const, tokenFile } }),
    });
    sent.with({ outcome }).add();
    if (what !== undefined) log('warn', 'somebody was not told', { receiver: notification.receiver, reason: what });
    keep(settle(state, notification, outcome));
  };

  return {
    look: (open) => {
      if (receivers.length === 0) return;
      const nowMs = clock.now();
      const firing = toldAlerts(open, url);
      const isMuted = (labels: Labels): boolean =>
        silences.of(labels, nowMs).length > 0 || inhibitedBy(labels, firing, inhibitRules).length > 0;
      const step = stepGroups(receivers, state, firing, nowMs, isMuted);
      keep(step.state);
      for (const notification of step.due) {
        const sending = send(notification).catch((error: unknown) =>
          log('error', 'a notification failed', { reason: reasonOf(error) }),
        );
        running.add(sending);
        void sending.finally(() => running.delete(sending));
      }
    },
    close: async () => {
      ended.abort();
      await Promise.race([Promise.all(running), clock.sleep(endMs)]);
    },
  };
};

/** What this version wrote; anything else is as if nobody had been told. */
const restored = (documents: DocumentStore, log: Log): GroupsState => {
  const value = documents.get(documentName);
  if (typeof value !== 'object' || value === null || !('groups' in value)) return noGroups;
  try {
    return reopened(value as GroupsState);
  } catch (error) {
    log('warn', 'who was told cannot be read', { reason: reasonOf(error) });
    return noGroups;
  }
};
