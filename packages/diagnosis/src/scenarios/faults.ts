/** One scenario for each cause of the catalogue: what a fault turns in the model, what is told of it, and what a diagnosis should say. */
import type { ChangeEvent, ChangeKind, DatabaseSession, LogEvent, Place } from '@coequal/contract';
import type { CauseName } from '../causes.ts';
import type { Dials, SiteName } from './model.ts';
import { type Extra, gatewayAt, hostAt, instanceAt, statement } from './signals.ts';

export type Happening = {
  readonly changes?: readonly ChangeEvent[];
  readonly logs?: readonly LogEvent[];
};

export type Fault = {
  readonly cause: CauseName;
  /** Beyond the cause's name, where a cause has several scenarios. */
  readonly note?: string;
  readonly turn: (dials: Dials, since: number) => void;
  /** Which name of the place must be right. */
  readonly place: (site: SiteName) => Place;
  /** What its own instance shows; the other instances show nothing. */
  readonly extra?: (since: number, site: SiteName) => Extra;
  readonly happens?: (site: SiteName, onsetMs: number) => Happening;
};

const atInstance = (site: SiteName): Place => ({ instance: instanceAt(site) });
const atHost = (site: SiteName): Place => ({ host: hostAt(site) });
const atSite = (site: SiteName): Place => ({ site });
const atGateway = (site: SiteName): Place => ({ gateway: gatewayAt(site) });
const atService = (): Place => ({ service: 'bank' });

const placeOfInstance = (site: SiteName): Place => ({
  site,
  host: hostAt(site),
  service: 'bank',
  instance: instanceAt(site),
});

const change = (kind: ChangeKind, text: string, place: Place, atMs: number): ChangeEvent => ({
  kind: 'change',
  id: `${kind} ${atMs}`,
  atMs,
  place,
  change: kind,
  text,
  source: 'test',
});

const log = (template: string, place: Place, atMs: number): LogEvent => ({
  kind: 'log',
  id: `${template} ${atMs}`,
  atMs,
  place,
  severity: 'info',
  log: 'error.log',
  template,
  count: 1,
});

const session = (id: number, more: Partial<DatabaseSession>): DatabaseSession => ({
  id,
  user: 'app',
  address: '10.0.0.5',
  command: 'Query',
  state: '',
  seconds: 1,
  ...more,
});

export const faults: readonly Fault[] = [
  {
    cause: 'instance crashed',
    turn: (dials) => {
      dials.database = 'gone';
    },
    place: atInstance,
  },
  {
    cause: 'instance stopped',
    turn: (dials) => {
      dials.database = 'gone';
    },
    place: atInstance,
    happens: (site, onsetMs) => ({
      logs: [log('mariadbd (initiated by: <*>): Normal shutdown', placeOfInstance(site), onsetMs - 400)],
    }),
  },
  {
    cause: 'instance frozen',
    turn: (dials) => {
      dials.database = 'silent';
    },
    place: atInstance,
  },
  {
    cause: 'site cut off',
    turn: (dials) => {
      dials.reachable = false;
    },
    place: atSite,
  },
  {
    cause: 'site cut off',
    note: 'with its agent',
    turn: (dials) => {
      dials.reachable = false;
      dials.agent = false;
    },
    place: atSite,
  },
  {
    cause: 'one-way partition',
    turn: (dials) => {
      dials.reachable = false;
      dials.hears = true;
    },
    place: atSite,
  },
  {
    cause: 'site lost',
    turn: (dials) => {
      dials.database = 'gone';
      dials.gateway = 'gone';
    },
    place: atSite,
  },
  {
    cause: 'site lost',
    note: 'with its agent',
    turn: (dials) => {
      dials.database = 'gone';
      dials.gateway = 'gone';
      dials.agent = false;
    },
    place: atSite,
  },
  {
    cause: 'network latency',
    turn: (dials) => {
      dials.delaySeconds = 0.025;
    },
    place: atSite,
  },
  {
    cause: 'packet loss',
    turn: (dials) => {
      dials.loss = 0.05;
    },
    place: atSite,
  },
  {
    cause: 'slow disk',
    turn: (dials) => {
      dials.diskSeconds = 0.12;
    },
    place: atHost,
  },
  {
    cause: 'disk full',
    turn: (dials) => {
      dials.diskFree = 0;
      dials.database = 'gone';
    },
    place: atHost,
  },
  {
    cause: 'clock offset',
    turn: (dials) => {
      dials.clockOffset = 3_600;
    },
    place: atHost,
  },
  {
    cause: 'gateway crashed',
    turn: (dials) => {
      dials.gateway = 'gone';
    },
    place: atGateway,
  },
  {
    cause: 'gateway frozen',
    turn: (dials) => {
      dials.gateway = 'silent';
    },
    place: atGateway,
  },
  {
    cause: 'gateway stopped',
    turn: (dials) => {
      dials.gateway = 'gone';
    },
    place: atGateway,
    happens: (site, onsetMs) => ({
      changes: [
        change('stop', 'the gateway ended in order', { site, host: hostAt(site), gateway: gatewayAt(site) }, onsetMs),
      ],
    }),
  },
  {
    cause: 'CPU taken by another process',
    turn: (dials) => {
      dials.foreignCpu = 1.7;
    },
    place: atHost,
  },
  {
    cause: 'memory pressure',
    turn: (dials, since) => {
      dials.memoryUsed = Math.min(0.98, 0.7 + since * 0.06);
      dials.memoryStall = 0.4;
    },
    place: atHost,
  },
  {
    cause: 'idle transaction holds locks',
    turn: (dials) => {
      dials.locked = true;
    },
    place: atInstance,
    extra: (since) => ({
      sessions: [session(4711, { command: 'Sleep', seconds: since, transactionSeconds: since + 1, rowsLocked: 40 })],
      waits: [{ waiting: 500, blocking: 4711 }],
      blockers: [{ session: 4711, blocked: Math.min(20, 2 + since * 3), inRing: false }],
    }),
  },
  {
    cause: 'expensive statement',
    turn: (dials) => {
      dials.scannedRows = 1_500_000;
    },
    place: atInstance,
    extra: (since) => ({
      sessions: [
        session(91, {
          state: 'Sending data',
          seconds: since,
          statement: 'SELECT count(*) FROM transfer a JOIN transfer b',
        }),
      ],
      statements:
        since < 3
          ? []
          : [
              statement('e5', 'SELECT count(*) FROM transfer a JOIN transfer b', {
                seconds: 1.6,
                rowsExamined: 1_500_000,
                withoutIndex: 1,
              }),
            ],
    }),
  },
  {
    cause: 'missing index',
    turn: (dials) => {
      dials.extraRows = 4_000;
    },
    place: atService,
    happens: (site, onsetMs) => ({
      changes: [
        change('ddl', 'the schema change DROP INDEX by_account ON transfer', placeOfInstance(site), onsetMs - 700),
      ],
    }),
  },
  {
    cause: 'missing index',
    note: 'that nobody was seen to drop',
    turn: (dials) => {
      dials.extraRows = 4_000;
    },
    place: atService,
  },
  {
    cause: 'load spike',
    turn: (dials) => {
      dials.load = 3;
    },
    place: atService,
  },
  {
    cause: 'backup',
    turn: (dials) => {
      dials.sentBytes = 80e6;
      dials.scannedRows = 800_000;
      dials.diskSeconds = 0.006;
    },
    place: atInstance,
    extra: (since) => ({
      sessions: [
        session(77, {
          user: 'dump',
          state: 'Writing to net',
          seconds: since,
          statement: 'SELECT /*!40001 SQL_NO_CACHE */ * FROM transfer',
        }),
      ],
    }),
  },
  {
    cause: 'large transaction',
    turn: (dials) => {
      dials.bulkRows = 20_000;
    },
    place: atInstance,
    extra: (since) => ({
      sessions: [
        session(55, {
          state: 'Updating',
          seconds: since,
          transactionSeconds: since,
          rowsChanged: since * 20_000,
          statement: 'UPDATE transfer SET note = ?',
        }),
      ],
    }),
  },
  {
    cause: 'blocking schema change',
    turn: (dials) => {
      dials.ddl = true;
    },
    place: atInstance,
    extra: (since) => ({
      sessions: [
        session(66, {
          state: 'copy to tmp table',
          seconds: since,
          statement: 'ALTER TABLE transfer ADD COLUMN note TEXT, ALGORITHM=COPY',
        }),
        ...Array.from({ length: 6 }, (_, index) =>
          session(600 + index, { state: 'Waiting for table metadata lock', seconds: since }),
        ),
      ],
    }),
    happens: (site, onsetMs) => ({
      changes: [change('ddl', 'the schema change ALTER TABLE transfer', placeOfInstance(site), onsetMs)],
    }),
  },
  {
    cause: 'connections exhausted',
    turn: (dials, since) => {
      dials.idleConnections = Math.min(320, 150 + since * 60);
    },
    place: atInstance,
  },
  {
    cause: 'setting changed',
    turn: (dials) => {
      dials.applyRate = 40;
    },
    place: atInstance,
    happens: (site, onsetMs) => ({
      changes: [
        change('setting', 'the setting innodb_io_capacity from 2000 to 100', placeOfInstance(site), onsetMs - 900),
      ],
    }),
  },
  {
    cause: 'slow applier',
    turn: (dials) => {
      dials.applyRate = 1;
    },
    place: atInstance,
  },
  {
    cause: 'hot row conflicts',
    turn: (dials) => {
      dials.conflicts = 15;
    },
    place: atService,
  },
  {
    cause: 'failed log-ins',
    turn: (dials) => {
      dials.failedLogins = 25;
    },
    place: atService,
  },
];

/** Faults that are on at every site at once. */
export const everywhere: ReadonlySet<CauseName> = new Set([
  'missing index',
  'load spike',
  'hot row conflicts',
  'failed log-ins',
]);
