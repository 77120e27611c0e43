/** The host as two sources: what moves every second, and its hardware. */
import type { Clock } from '@coequal/kernel';
import { estateLabels, HardwareCollector, HostCollector, Relabeler } from '@coequal/signals/collecting';
import { roundWaitMs, sourceDeadlineMs } from '../limits.ts';
import type { AgentSettings } from '../settings.ts';
import type { Source } from '../source.ts';

/** File systems that owe an answer leave room for the rest of the round. */
const filesystemDeadlineMs = roundWaitMs / 2;

export const hostSource = ({ host, site, scope }: AgentSettings, clock: Clock, pageBytes: number): Source => {
  const collector = new HostCollector({ clock, root: '', pageBytes, filesystemDeadlineMs, scope });
  const relabeler = new Relabeler(estateLabels({ job: 'node', instance: host, host, site }));
  return {
    collector: 'host',
    target: '',
    everyMs: 1_000,
    deadlineMs: sourceDeadlineMs,
    collect: async (timeMs) => {
      const { points, problems } = await collector.collect();
      return {
        samples: relabeler.points(points, timeMs),
        problems: problems.map(({ file, line, what }) => `${file}:${line}: ${what}`),
      };
    },
    close: async () => undefined,
  };
};

const hardwareEveryMs = 10_000;

/** What of the host changes slowly. Left out where the host is a part of its machine: the hardware is everybody's. */
export const hardwareSource = ({ host, site, scope }: AgentSettings, clock: Clock): Source | undefined => {
  if (!scope.wholeMachine) return undefined;
  const collector = new HardwareCollector({ clock, root: '', devices: scope.devices });
  const relabeler = new Relabeler(estateLabels({ job: 'node', instance: host, host, site }));
  return {
    collector: 'hardware',
    target: '',
    everyMs: hardwareEveryMs,
    deadlineMs: sourceDeadlineMs,
    collect: async (timeMs) => {
      const { points, problems } = collector.collect();
      return {
        samples: relabeler.points(points, timeMs),
        problems: problems.map(({ file, line, what }) => `${file}:${line}: ${what}`),
      };
    },
    close: async () => undefined,
  };
};
