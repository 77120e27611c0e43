/** Log files as one source: it looks at all of them, and keeps where it stands in each in the state folder. */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Event } from '@coequal/contract';
import { codeOf } from '@coequal/kernel';
import {
  estateLabels,
  LogFollower,
  type LogPlace,
  LogReader,
  type Point,
  Relabeler,
  type Sample,
} from '@coequal/signals/collecting';
import { sourceDeadlineMs } from '../limits.ts';
import type { AgentSettings, LogTarget } from '../settings.ts';
import type { Source } from '../source.ts';

/** Places are written down at most so often: a kill reads the lines of so long once more. */
const keepEveryMs = 5_000;

type Followed = {
  readonly target: LogTarget;
  readonly follower: LogFollower;
  readonly reader: LogReader;
  readonly relabeler: Relabeler;
  skipped: number;
};

export const logSource = async (settings: AgentSettings): Promise<Source> => {
  const path = join(settings.stateFolder, 'log-places.json');
  const kept = await readPlaces(path);
  const logs = settings.logs.map(
    (target): Followed => ({
      target,
      follower: new LogFollower(target.path, kept.get(target.path)),
      reader: new LogReader({ log: target.path, style: target.format, place: target.place }),
      relabeler: relabelerOf(target, settings.name),
      skipped: 0,
    }),
  );
  let written = '';
  let writtenMs = -Infinity;
  const keep = async (): Promise<void> => {
    const places = logs.flatMap(({ target, follower }) => {
      const place = follower.place();
      return place === undefined ? [] : [[target.path, place] as const];
    });
    const text = JSON.stringify(Object.fromEntries(places));
    if (text === written) return;
    await writeFile(`${path}.next`, text, { mode: 0o600 });
    await rename(`${path}.next`, path);
    written = text;
  };
  return {
    collector: 'logs',
    target: '',
    everyMs: 1_000,
    deadlineMs: sourceDeadlineMs,
    collect: async (timeMs) => {
      const found = await Promise.all(logs.map((log) => lookAt(log, timeMs)));
      if (Math.abs(timeMs - writtenMs) >= keepEveryMs) {
        writtenMs = timeMs;
        await keep();
      }
      return {
        samples: logs.flatMap((log) => samplesOf(log, timeMs)),
        events: found.flatMap(({ events }) => events),
        problems: found.flatMap(({ problem }) => (problem === undefined ? [] : [problem])),
      };
    },
    close: async () => {
      await Promise.all(logs.map(({ follower }) => follower.close()));
      await keep();
    },
  };
};

const lookAt = async (
  log: Followed,
  timeMs: number,
): Promise<{ readonly events: readonly Event[]; readonly problem: string | undefined }> => {
  const { lines, skipped, problem } = await log.follower.look();
  log.skipped += skipped;
  return { events: lines.length === 0 ? [] : log.reader.read(lines, timeMs).events, problem };
};

const samplesOf = ({ reader, skipped, relabeler }: Followed, timeMs: number): readonly Sample[] =>
  relabeler.points(
    [
      ...Object.entries(reader.counts()).map(
        ([severity, count]): Point => ({
          name: 'coequal_log_lines_total',
          labels: [['severity', severity]],
          value: count,
        }),
      ),
      { name: 'coequal_log_templates', labels: [], value: reader.templates },
      { name: 'coequal_log_skipped_bytes_total', labels: [], value: skipped },
    ],
    timeMs,
  );

const relabelerOf = ({ place, path }: LogTarget, agent: string): Relabeler => {
  const instance = place.instance ?? place.gateway ?? agent;
  const { host, site, service } = place;
  return new Relabeler(estateLabels({ job: 'coequal_agent', instance, host, site, service, log: path }));
};

/** What is broken or not there is no place: such a log is followed from its end. */
const readPlaces = async (path: string): Promise<ReadonlyMap<string, LogPlace>> => {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (typeof value !== 'object' || value === null) return new Map();
    return new Map(Object.entries(value).flatMap(([log, place]: [string, unknown]) => placeOf(log, place)));
  } catch (error) {
    if (error instanceof SyntaxError || codeOf(error) === 'ENOENT') return new Map();
    throw error;
  }
};

const placeOf = (log: string, value: unknown): readonly (readonly [string, LogPlace])[] => {
  if (typeof value !== 'object' || value === null || !('inode' in value) || !('offset' in value)) return [];
  const { inode, offset } = value;
  if (typeof inode !== 'string' || typeof offset !== 'number' || !Number.isSafeInteger(offset) || offset < 0) return [];
  return [[log, { inode, offset }]];
};
