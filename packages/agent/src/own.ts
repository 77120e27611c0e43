/** What an agent tells of itself: how its collectors do, what it costs, and what became of what it sent. Pure. */
import type { Family, Label, Point } from '@coequal/signals/collecting';
import type { SourceState } from './rounds.ts';

export type LinkState = {
  /** `store`, or the address of a platform. */
  readonly to: string;
  readonly taken: number;
  readonly refused: number;
  readonly failed: number;
  readonly lost: number;
  readonly waiting: number;
  readonly up: boolean;
  readonly eventsTaken?: number;
  readonly eventsLost?: number;
  readonly eventsWaiting?: number;
};

export type OwnFigures = {
  readonly version: string;
  readonly startedMs: number;
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  readonly rounds: number;
  readonly roundsMissed: number;
  readonly roundSeconds: number;
  readonly samples: number;
  readonly sources: readonly SourceState[];
  readonly links: readonly LinkState[];
};

const gauge = (name: string, help: string): Family => ({ name, type: 'gauge', help });
const counter = (name: string, help: string): Family => ({ name, type: 'counter', help });

export const ownFamilies: readonly Family[] = [
  gauge('coequal_agent_info', 'The agent, with its version.'),
  counter('process_cpu_seconds_total', 'Processor time that the agent used.'),
  gauge('process_resident_memory_bytes', 'Memory of the agent.'),
  gauge('process_start_time_seconds', 'When the agent began.'),
  counter('coequal_agent_rounds_total', 'Rounds of collecting.'),
  counter('coequal_agent_rounds_missed_total', 'Seconds without a round, because the one before took too long.'),
  gauge('coequal_agent_round_seconds', 'How long the last round took.'),
  counter('coequal_agent_samples_total', 'Samples collected.'),
  gauge('coequal_collector_up', 'Whether the last reading of a collector came, in time.'),
  gauge('coequal_collector_duration_seconds', 'How long the last reading took.'),
  gauge('coequal_collector_samples', 'Samples of the last reading.'),
  counter('coequal_collector_readings_total', 'Readings that were asked for.'),
  counter('coequal_collector_failures_total', 'Readings that failed or came too late.'),
  counter('coequal_collector_problems_total', 'Things in readings that made no sense.'),
  gauge('coequal_agent_link_up', 'Whether a store or platform took what was sent last.'),
  counter('coequal_agent_bodies_total', 'Bodies of samples by what became of them.'),
  gauge('coequal_agent_bodies_waiting', 'Bodies of samples that wait to be sent.'),
  counter('coequal_agent_events_total', 'Lists of events by what became of them.'),
  gauge('coequal_agent_events_waiting', 'Lists of events that wait to be taken.'),
];

export const ownPoints = (own: OwnFigures): readonly Point[] => [
  point('coequal_agent_info', 1, [['version', own.version]]),
  point('process_cpu_seconds_total', own.cpuSeconds),
  point('process_resident_memory_bytes', own.residentBytes),
  point('process_start_time_seconds', own.startedMs / 1_000),
  point('coequal_agent_rounds_total', own.rounds),
  point('coequal_agent_rounds_missed_total', own.roundsMissed),
  point('coequal_agent_round_seconds', own.roundSeconds),
  point('coequal_agent_samples_total', own.samples),
  ...own.sources.flatMap(sourcePoints),
  ...own.links.flatMap(linkPoints),
];

const sourcePoints = (state: SourceState): readonly Point[] => {
  const labels: readonly Label[] = [
    ['collector', state.collector],
    ...(state.target === '' ? [] : ([['target', state.target]] as const)),
  ];
  return [
    point('coequal_collector_up', state.up ? 1 : 0, labels),
    point('coequal_collector_duration_seconds', state.seconds, labels),
    point('coequal_collector_samples', state.samples, labels),
    point('coequal_collector_readings_total', state.asked, labels),
    point('coequal_collector_failures_total', state.failed, labels),
    point('coequal_collector_problems_total', state.problems, labels),
  ];
};

const linkPoints = (link: LinkState): readonly Point[] => {
  const to: Label = ['to', link.to];
  // Sorted: `outcome` stands before `to`.
  const by = (name: string, outcome: string, value: number): Point => point(name, value, [['outcome', outcome], to]);
  return [
    point('coequal_agent_link_up', link.up ? 1 : 0, [to]),
    by('coequal_agent_bodies_total', 'taken', link.taken),
    by('coequal_agent_bodies_total', 'refused', link.refused),
    by('coequal_agent_bodies_total', 'failed', link.failed),
    by('coequal_agent_bodies_total', 'lost', link.lost),
    point('coequal_agent_bodies_waiting', link.waiting, [to]),
    ...(link.eventsTaken === undefined ? [] : [by('coequal_agent_events_total', 'taken', link.eventsTaken)]),
    ...(link.eventsLost === undefined ? [] : [by('coequal_agent_events_total', 'lost', link.eventsLost)]),
    ...(link.eventsWaiting === undefined ? [] : [point('coequal_agent_events_waiting', link.eventsWaiting, [to])]),
  ];
};

/** `labels`: sorted by name. */
const point = (name: string, value: number, labels: readonly Label[] = []): Point => ({ name, labels, value });
