/**
 * What an agent writes down about orders, and what that comes to. Pure. An order is `taken` before anything is looked at, `begun` (with
 * what the check afterwards needs) before anything is changed, and `ended` before anybody hears of it; each is on the disk before the next
 * step. So whatever moment an agent is killed at, what it finds says how far it had come.
 */
import { action, type Order, type OrderState, orderState } from '@coequal/contract';
import { z } from 'zod';
import type { Notes } from './doing.ts';

const key = orderState.shape.key;
const notes = z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]));

const line = z.discriminatedUnion('t', [
  z.object({
    t: z.literal('taken'),
    atMs: z.number(),
    order: z.object({ key, action, deadlineMs: z.number(), by: z.string() }),
  }),
  z.object({ t: z.literal('begun'), atMs: z.number(), key, seen: notes }),
  z.object({ t: z.literal('ended'), atMs: z.number(), key, state: orderState }),
  /** A platform has written down how it ended. */
  z.object({ t: z.literal('heard'), atMs: z.number(), key }),
]);

export type JournalLine = z.infer<typeof line>;

export type Entry = {
  readonly order: Order;
  readonly takenMs: number;
  readonly seen?: Notes;
  readonly ended?: OrderState;
  readonly heard: boolean;
};

export type Journal = {
  readonly entries: ReadonlyMap<string, Entry>;
  /** Resolves when it is on the disk. @throws JOURNAL_UNUSABLE */
  readonly write: (line: JournalLine) => Promise<void>;
  readonly close: () => Promise<void>;
};

/** Undefined: it is no line of a journal. */
export const parseJournalLine = (text: string): JournalLine | undefined => {
  try {
    const parsed = line.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
};

/** Adds a line to what is known. False: it speaks of an order that was never taken, or tells something twice. */
export const fold = (entries: Map<string, Entry>, next: JournalLine): boolean => {
  if (next.t === 'taken') {
    if (entries.has(next.order.key)) return false;
    entries.set(next.order.key, { order: next.order, takenMs: next.atMs, heard: false });
    return true;
  }
  const entry = entries.get(next.key);
  if (entry === undefined) return false;
  switch (next.t) {
    case 'begun':
      if (entry.seen !== undefined || entry.ended !== undefined) return false;
      entries.set(next.key, { ...entry, seen: next.seen });
      return true;
    case 'ended':
      if (entry.ended !== undefined) return false;
      entries.set(next.key, { ...entry, ended: next.state });
      return true;
    case 'heard':
      entries.set(next.key, { ...entry, heard: true });
      return true;
  }
};

/** The lines that say what is still worth knowing: everything in progress, and the last of what ended. */
export const kept = (entries: ReadonlyMap<string, Entry>, most: number): readonly JournalLine[] => {
  const ended = [...entries.values()].filter((entry) => entry.ended !== undefined);
  const dropped = new Set(ended.slice(0, Math.max(0, ended.length - most)).map(({ order }) => order.key));
  return [...entries.values()].filter(({ order }) => !dropped.has(order.key)).flatMap(linesOf);
};

const linesOf = ({ order, takenMs, seen, ended, heard }: Entry): readonly JournalLine[] => [
  { t: 'taken', atMs: takenMs, order },
  ...(seen === undefined ? [] : [{ t: 'begun' as const, atMs: takenMs, key: order.key, seen }]),
  ...(ended === undefined ? [] : [{ t: 'ended' as const, atMs: ended.atMs, key: order.key, state: ended }]),
  ...(heard ? [{ t: 'heard' as const, atMs: takenMs, key: order.key }] : []),
];
