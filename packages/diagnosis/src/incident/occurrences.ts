/** Changes and log lines at a place around the onset, for witnesses that look for what was said. */
import type { ChangeEvent, ChangeKind, LogEvent, Place } from '@coequal/contract';
import { isWithin } from './graph.ts';
import type { View } from './view.ts';

/** Collectors see a change up to so much after it was made, and clocks differ a little. */
const earlierMs = 15_000;

/** Changes of a kind at a place since shortly before the onset, the newest last. */
export const changesAt = (view: View, place: Place, kinds: readonly ChangeKind[]): readonly ChangeEvent[] =>
  view.scene.changes
    .filter(({ change, atMs, place: at }) => kinds.includes(change) && isTimely(view, atMs) && isWithin(at, place))
    .toSorted((a, b) => a.atMs - b.atMs);

/** Lines that match, at a place, since shortly before the onset. */
export const linesAt = (view: View, place: Place, pattern: RegExp): readonly LogEvent[] =>
  view.scene.logs.filter(
    ({ template, atMs, place: at }) => isTimely(view, atMs) && isWithin(at, place) && pattern.test(template),
  );

const isTimely = (view: View, atMs: number): boolean =>
  atMs >= view.onsetMs - earlierMs && atMs <= view.scene.nowMs + 1_000;
