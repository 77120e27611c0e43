/** The daemon's calls, parsed: what comes over the control socket is a value of ours, or COMMAND_USAGE. */
import { fail } from '@coequal/kernel';
import { type DrillName, type Fault, type FaultKind, isDrillName } from '@coequal/proof';

export const faultKinds: readonly FaultKind[] = [
  'kill',
  'hang',
  'stop',
  'partition',
  'latency',
  'loss',
  'slow-disk',
  'full-disk',
  'clock',
];

export const parseFault = (params: unknown): Fault => {
  const found = fieldsOf(params);
  const kind = faultKinds.find((each) => each === found['kind']);
  if (kind === undefined) {
    throw usage(
      `There is no fault ${String(found['kind'])}; there are ${faultKinds.join(', ')}.`,
      'coequal lab fault --help',
    );
  }
  const { site, whole, forMs, oneWay, between, amount } = found;
  if (typeof site !== 'string') throw usage('A fault needs a site.', 'coequal lab fault --help');
  const pair =
    Array.isArray(between) && between.length === 2 ? ([String(between[0]), String(between[1])] as const) : undefined;
  return {
    kind,
    site,
    ...(whole === true ? { whole } : {}),
    ...(oneWay === true ? { oneWay } : {}),
    ...(typeof forMs === 'number' && forMs > 0 ? { forMs } : {}),
    ...(typeof amount === 'number' && Number.isFinite(amount) ? { amount } : {}),
    ...(pair === undefined ? {} : { between: pair }),
  };
};

export const parseSite = (params: unknown): string | undefined => {
  const { site } = fieldsOf(params);
  return typeof site === 'string' ? site : undefined;
};

export const parseName = (params: unknown): string => {
  const { instance } = fieldsOf(params);
  if (typeof instance !== 'string') throw usage('Name the instance.', 'coequal lab force-primary --help');
  return instance;
};

export type DrillCall = {
  readonly name: DrillName;
  readonly seed: number;
  readonly seconds: number;
  /** Folder for the evidence; absolute. */
  readonly out: string;
  readonly command: string;
  /** Concurrent clients a site. */
  readonly connections: number;
  readonly ratePerSecond?: number;
};

export const parseDrillCall = (params: unknown): DrillCall => {
  const { name, seed, seconds, out, command, connections, ratePerSecond } = fieldsOf(params);
  if (typeof name !== 'string' || !isDrillName(name))
    throw usage(`There is no drill ${String(name)}.`, 'coequal drill --help');
  if (typeof out !== 'string' || !out.startsWith('/')) throw usage('A drill needs a folder.', 'coequal drill --help');
  return {
    name,
    seed: Number(seed),
    seconds: Number(seconds),
    out,
    command: String(command ?? ''),
    connections: typeof connections === 'number' ? connections : 4,
    ...(typeof ratePerSecond === 'number' ? { ratePerSecond } : {}),
  };
};

const fieldsOf = (params: unknown): Readonly<Record<string, unknown>> =>
  typeof params === 'object' && params !== null ? { ...params } : {};

const usage = (problem: string, help: string) => fail('COMMAND_USAGE', { problem, help });
