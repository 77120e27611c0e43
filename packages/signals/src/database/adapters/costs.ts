/** What a collector cost its database and this host, as metrics of its own: a watcher that says what it takes can be trusted to watch. */
import type { Point } from '../../sample.ts';
import { point } from '../points.ts';
import type { LinkFigures } from './link.ts';

export type Costs = {
  readonly collector: 'mariadb' | 'postgres';
  readonly figures: LinkFigures;
  /** Processor time of the sessions in the database; undefined where it cannot be known. */
  readonly processorSeconds: number | undefined;
  /** From the call to the answer, milliseconds. */
  readonly durationMs: number;
};

export const costPoints = ({ collector, figures, processorSeconds, durationMs }: Costs): readonly Point[] => {
  const one = (name: string, value: number): Point =>
    point(`coequal_collector_${name}`, [['collector', collector]], value);
  return [
    one('duration_seconds', durationMs / 1_000),
    one('database_statements_total', figures.statements),
    one('database_sent_bytes_total', figures.sent),
    one('database_received_bytes_total', figures.received),
    one('database_connects_total', figures.connects),
    one('database_silences_total', figures.silences),
    ...(processorSeconds === undefined ? [] : [one('database_cpu_seconds_total', processorSeconds)]),
  ];
};
