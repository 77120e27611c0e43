/** The host as a source. */
import type { Clock } from '@coequal/kernel';
import { estateLabels, HostCollector, Relabeler } from '@coequal/signals';
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
