/**
 * HAProxy as the gateway's peer: in the same site, in front of the same instances, TCP with health checks, TLS
 * passed through to the instances. One process listens twice: `first` sends everybody to the nearest instance that lives, as
 * the gateway does; `leastconn` spreads connections over all of them.
 */
import { writeFile } from 'node:fs/promises';
import { findCompanion } from '@coequal/engines';
import type { Endpoint } from '@coequal/proof';
import { placesOf } from '../places.ts';
import { type Beside, startBeside, untilListening } from './beside.ts';
import type { BenchTools } from './tools.ts';

export type Haproxy = {
  readonly first: Endpoint;
  readonly leastconn: Endpoint;
  readonly version: string;
  readonly process: Beside;
};

export type HaproxyWish = {
  /** Nearest first. */
  readonly instances: readonly Endpoint[];
  /** Where it listens, and leaves from. */
  readonly address: string;
  readonly ports: readonly [number, number];
  readonly folder: string;
  readonly enter: (argv: readonly string[]) => readonly string[];
};

export const withHaproxy = async <T>(
  wish: HaproxyWish,
  tools: BenchTools,
  use: (haproxy: Haproxy) => Promise<T>,
): Promise<T> => {
  const { clock, signal, progress } = tools;
  const cacheFolder = placesOf(process.env, process.getuid?.() ?? -1).cache;
  const found = await findCompanion('haproxy', { cacheFolder, environment: process.env, clock, progress, signal });
  const path = `${wish.folder}/haproxy.cfg`;
  await writeFile(path, haproxyConfiguration(wish));
  let version = '';
  const options = {
    environment: { ...process.env, ...found.environment },
    enter: wish.enter,
    clock,
  };
  const asked = startBeside([found.files[0], '-v'], {
    ...options,
    onLine: (line) => {
      version = /^HAProxy version (\S+)/.exec(line)?.[1] ?? version;
    },
  });
  await asked.ended;
  const running = startBeside([found.files[0], '-db', '-f', path], options);
  try {
    const [example] = wish.instances;
    if (example === undefined) throw new Error('Bug: nothing to stand in front of');
    const { serverName: _, ...account } = example;
    const at = (port: number, instance: string): Endpoint => ({ ...account, instance, host: wish.address, port });
    await untilListening(wish.enter, at(wish.ports[0], 'HAProxy'), running, tools);
    return await use({
      first: at(wish.ports[0], 'haproxy-first'),
      leastconn: at(wish.ports[1], 'haproxy-leastconn'),
      version,
      process: running,
    });
  } finally {
    await running.stop();
  }
};

export const haproxyConfiguration = ({ instances, address, ports }: Omit<HaproxyWish, 'folder' | 'enter'>): string => {
  const servers = instances.map(
    ({ instance, host, port }) =>
      `  server ${instance} ${host}:${port} check inter 250ms fall 2 rise 2 on-marked-down shutdown-sessions maxconn 4000`,
  );
  const listener = (balance: string, port: number): readonly string[] => [
    `listen ${balance}`,
    `  bind ${address}:${port}`,
    `  balance ${balance}`,
    `  source ${address}`,
    ...servers,
  ];
  return [
    'global',
    '  maxconn 9000',
    'defaults',
    '  mode tcp',
    '  timeout connect 2s',
    '  timeout client 1h',
    '  timeout server 1h',
    ...listener('first', ports[0]),
    ...listener('leastconn', ports[1]),
    '',
  ].join('\n');
};
