/**
 * The arbitrator (garbd): a vote without data, so that two sites and a witness have a majority when one is lost.
 * It keeps nothing on disk; starting it again is all the recovery there is.
 */
import type { Arbitrator, Instance, Placed, Service } from '@coequal/estate';
import type { Clock } from '@coequal/kernel';
import { channelOptions, clusterAddress, type InstancePlaces } from '../configuration.ts';
import { formatProviderOptions } from '../presets.ts';
import { makeFolder, readTail } from './files.ts';
import { isAlive, type Launch, type Running, signal, startProcess, untilGone } from './process.ts';

export type ArbitratorOptions = {
  readonly service: Service;
  readonly arbitrator: Placed<Arbitrator>;
  readonly members: readonly Placed<Instance>[];
  readonly arbitrators: readonly Placed<Arbitrator>[];
  /** Full path of garbd. */
  readonly program: string;
  readonly runFolder: string;
  readonly certificates?: InstancePlaces['certificates'];
  readonly launch: Launch;
  readonly owner?: number;
  readonly clock: Clock;
};

export type ArbitratorState =
  /** A member of the Primary component: its vote counts. */
  | 'voting'
  /** Runs without a majority, or is joining. */
  | 'alone'
  | 'stopped';

export type ArbitratorDriver = {
  readonly name: string;
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
  readonly fence: () => Promise<void>;
  /** From its log, which is all it says. */
  readonly observe: () => Promise<ArbitratorState>;
  readonly process: () => { readonly pid: number; readonly startTicks: string } | undefined;
};

export const arbitratorDriver = (options: ArbitratorOptions): ArbitratorDriver => {
  const { arbitrator, service, clock, runFolder } = options;
  const logPath = `${runFolder}/arbitrator.log`;
  let running: Running | undefined;

  const start = async (): Promise<void> => {
    if (running !== undefined && isAlive(running)) return;
    await makeFolder(runFolder, 0o700, options.owner);
    running = await startProcess(
      options.launch,
      [
        options.program,
        `--group=${service.name}`,
        `--name=${arbitrator.name}`,
        `--address=${clusterAddress(options.members, options.arbitrators)}`,
        `--options=${formatProviderOptions(
          channelOptions(service, arbitrator.at.address, arbitrator.groupPort, options.certificates),
        )}`,
      ],
      logPath,
    );
  };

  const end = async (name: NodeJS.Signals, deadlineMs: number): Promise<void> => {
    if (running === undefined || !isAlive(running)) return;
    signal(running, 'SIGCONT');
    signal(running, name);
    await untilGone(clock, running, deadlineMs, arbitrator.name);
  };

  return {
    name: arbitrator.name,
    start,
    stop: () => end('SIGTERM', 15_000).catch(() => end('SIGKILL', 10_000)),
    fence: () => end('SIGKILL', 10_000),
    observe: async () => {
      if (running === undefined || !isAlive(running)) return 'stopped';
      return lastComponent(await readTail(logPath, 64 * 1024)) ? 'voting' : 'alone';
    },
    process: () => (running !== undefined && isAlive(running) ? running : undefined),
  };
};

/** Whether the last membership in the log was a Primary one. */
const lastComponent = (log: string): boolean => {
  const primary = Math.max(log.lastIndexOf('New COMPONENT: primary = yes'), log.lastIndexOf('(SYNCED'));
  return primary >= 0 && primary > log.lastIndexOf('New COMPONENT: primary = no');
};
