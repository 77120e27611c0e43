/** The supervisor's own figures; those of its workers are merged with them. */
import { type Counter, Counters, type CountersSnapshot, type Gauge } from '@coequal/kernel';
import { connectionsRefusedFamily, logLinesDroppedCounter } from './gateway-metrics.ts';
import type { InstanceStatus } from './status.ts';

export type SupervisorMetrics = {
  readonly connectionsRefused: (reason: string) => void;
  readonly restarts: (result: 'done' | 'refused') => void;
  /** Sets what is the case now, and answers everything. */
  readonly snapshot: (now: Now) => CountersSnapshot;
};

export type Now = {
  readonly workers: number;
  /** Workers that have ended without being told to. */
  readonly deaths: number;
  /** Lines of the supervisor's own log that nobody took in time. */
  readonly linesDropped: number;
  readonly instances: readonly InstanceStatus[];
};

export type Identity = {
  readonly name: string;
  readonly site: string;
  readonly service: string;
  readonly version: string;
  readonly startedAt: number;
};

const prefix = 'coequal_gateway';

export const makeSupervisorMetrics = ({ name, site, service, version, startedAt }: Identity): SupervisorMetrics => {
  const counters = new Counters();
  counters
    .gauge({
      name: `${prefix}_info`,
      help: 'Which gateway this is; always 1.',
      labels: ['name', 'site', 'service', 'version'],
      combine: 'max',
    })
    .with({ name, site, service, version })
    .set(1);
  const alone = (named: string, help: string): Gauge =>
    counters.gauge({ name: `${prefix}_${named}`, help, labels: [], combine: 'max' }).with({});
  alone('start_time_seconds', 'When the gateway began, in seconds since 1970.').set(startedAt / 1_000);
  const workers = alone('workers', 'Worker processes that take connections.');
  const states = counters.gauge({
    name: `${prefix}_instance_state`,
    help: '1 for the state that an instance is in, as this gateway sees it.',
    labels: ['instance', 'state'],
    combine: 'max',
  });
  const refused = connectionsRefusedFamily(counters);
  const restarts = counters.counter({
    name: `${prefix}_restarts_total`,
    help: 'Graceful restarts of the workers, by result.',
    labels: ['result'],
  });
  const count = (named: string, help: string): Counter =>
    counters.counter({ name: `${prefix}_${named}_total`, help, labels: [] }).with({});
  const deaths = count('worker_deaths', 'Workers that ended without being told to.');
  const dropped = logLinesDroppedCounter(counters);
  const shown = new Map<string, string>();
  const showState = ({ name: instance, state }: InstanceStatus): void => {
    const before = shown.get(instance);
    if (before !== undefined && before !== state) states.with({ instance, state: before }).set(0);
    states.with({ instance, state }).set(1);
    shown.set(instance, state);
  };
  return {
    connectionsRefused: (reason) => refused.with({ reason }).add(),
    restarts: (result) => restarts.with({ result }).add(),
    snapshot: (now) => {
      workers.set(now.workers);
      deaths.value = now.deaths;
      dropped.value = now.linesDropped;
      for (const instance of now.instances) showState(instance);
      return counters.snapshot();
    },
  };
};
