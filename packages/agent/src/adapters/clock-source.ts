/**
 * The clocks of others as a source: agents of other hosts, and the databases on this one. A fault of a clock shows without a time
 * service: who differs from all others is wrong.
 */
import type { Clock } from '@coequal/kernel';
import {
  type ClockAnswer,
  clockFamilies,
  clockPoints,
  estateLabels,
  HttpClock,
  MariadbClock,
  withLabels,
} from '@coequal/signals/collecting';
import { sourceDeadlineMs } from '../limits.ts';
import type { AgentSettings, DatabaseTarget } from '../settings.ts';
import type { Source } from '../source.ts';
import { databaseTarget } from './database-source.ts';

const everyMs = 5_000;
const peerDeadlineMs = 1_000;

type Asked = {
  readonly name: string;
  readonly ask: (signal: AbortSignal) => Promise<ClockAnswer | string>;
  readonly close: () => Promise<void>;
};

/** Undefined where there is nobody to compare with. */
export const clockSource = async (settings: AgentSettings, clock: Clock): Promise<Source | undefined> => {
  const { name, host, site } = settings;
  const peers: readonly Asked[] = [
    ...settings.peers.map((peer): Asked => {
      const asked = new HttpClock(peer.url, clock, peerDeadlineMs);
      return { name: peer.name, ask: (signal) => asked.ask(signal), close: async () => asked.close() };
    }),
    ...(await Promise.all(settings.databases.filter(isMariadb).map((target) => databaseClock(target, clock)))),
  ];
  if (peers.length === 0) return undefined;
  const labels = estateLabels({ job: 'coequal_agent', instance: name, host, site });
  return {
    collector: 'clock',
    target: '',
    everyMs,
    deadlineMs: sourceDeadlineMs,
    collect: async (timeMs, signal) => {
      const answers = await Promise.all(peers.map(async (peer) => ({ peer, answer: await peer.ask(signal) })));
      return {
        samples: answers.flatMap(({ peer, answer }) =>
          typeof answer === 'string' ? [] : withLabels(clockPoints(peer.name, answer), labels, timeMs),
        ),
        families: clockFamilies,
        problems: answers.flatMap(({ peer, answer }) =>
          typeof answer === 'string' ? [`${peer.name}: ${answer}`] : [],
        ),
      };
    },
    close: async () => {
      await Promise.all(peers.map((peer) => peer.close()));
    },
  };
};

const isMariadb = ({ engine }: DatabaseTarget): boolean => engine !== 'postgres';

const databaseClock = async (target: DatabaseTarget, clock: Clock): Promise<Asked> => {
  const asked = new MariadbClock(await databaseTarget(target), clock, peerDeadlineMs);
  return { name: target.place.instance, ask: () => asked.ask(), close: () => asked.close() };
};
