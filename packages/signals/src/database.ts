/**
 * The shape of every collector of a database. It never rejects for what the database does: one that hangs, refuses or is gone gives
 * `<engine>_up` 0, a problem in words, and whatever was known without asking. It ends by its deadline.
 */
import type { ChangeEvent, DatabaseDetail } from '@coequal/contract';
import type { Family, Point } from './sample.ts';

export type DatabaseReadings = {
  /** Named and labelled as the engine's exporter does; without the labels of the estate, which whoever sends adds. */
  readonly points: readonly Point[];
  readonly families: readonly Family[];
  readonly detail: DatabaseDetail | undefined;
  /** What was seen to have changed since the reading before. */
  readonly changes: readonly ChangeEvent[];
  readonly problems: readonly string[];
};

export type DatabaseCollector = {
  /** Once a second. A call while another one is under way answers with that one's readings. */
  readonly collect: () => Promise<DatabaseReadings>;
  readonly close: () => Promise<void>;
};
