/** The daemon's calls, parsed: what comes over the control socket is a value of ours, or COMMAND_USAGE. */

import type { LargeWriteRule } from '@coequal/estate';
import { fail } from '@coequal/kernel';
import {
  type DrillName,
  type Fault,
  type FaultKind,
  gatewayFaultKinds,
  isDrillName,
  loadFaultKinds,
} from '@coequal/proof';

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
  ...gatewayFaultKinds,
  ...loadFaultKinds,
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
  const { site, whole, forMs, oneWay, between, amount, gateway } = found;
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
    ...(Number.isInteger(gateway) ? { gateway: Number(gateway) } : {}),
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
  /** Clients connect to instances themselves. */
  readonly direct: boolean;
  readonly style?: 'careful' | 'legacy' | 'mixed';
  /** As many clients connect directly beside those that go through gateways, instead of a few. */
  readonly compare: boolean;
  /** Concurrent clients a site. */
  readonly connections?: number;
  readonly ratePerSecond?: number;
  readonly faults?: number;
  readonly commits?: number;
  /** For the drill `batch`. */
  readonly rows?: number;
  readonly rule?: LargeWriteRule['rule'];
};

const styles = ['careful', 'legacy', 'mixed'] as const;
const rules = ['refuse', 'fragment', 'chunk'] as const;

export const parseDrillCall = (params: unknown): DrillCall => {
  const found = fieldsOf(params);
  const { name, seed, seconds, out, command } = found;
  if (typeof name !== 'string' || !isDrillName(name))
    throw usage(`There is no drill ${String(name)}.`, 'coequal drill --help');
  if (typeof out !== 'string' || !out.startsWith('/')) throw usage('A drill needs a folder.', 'coequal drill --help');
  const style = styles.find((each) => each === found['style']);
  const rule = rules.find((each) => each === found['rule']);
  return {
    name,
    seed: Number(seed),
    seconds: Number(seconds),
    out,
    command: String(command ?? ''),
    direct: found['direct'] === true,
    compare: found['compare'] === true,
    ...(style === undefined ? {} : { style }),
    ...(rule === undefined ? {} : { rule }),
    ...numbersOf(found, ['connections', 'ratePerSecond', 'faults', 'commits', 'rows']),
  };
};

const numbersOf = <Name extends string>(
  found: Readonly<Record<string, unknown>>,
  names: readonly Name[],
): Partial<Record<Name, number>> => {
  const numbers: Partial<Record<Name, number>> = {};
  for (const name of names) {
    const value = found[name];
    if (typeof value === 'number' && value > 0) numbers[name] = value;
  }
  return numbers;
};

const fieldsOf = (params: unknown): Readonly<Record<string, unknown>> =>
  typeof params === 'object' && params !== null ? { ...params } : {};

const usage = (problem: string, help: string) => fail('COMMAND_USAGE', { problem, help });
