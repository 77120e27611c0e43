/** A world for tests of commands: collects what is said, with a lab that only remembers what it was asked. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { type Clock, fail, seededRandom } from '@coequal/kernel';
import type { BenchFigure, DiagnoseReport, LabHandle, LabSnapshot, ListedLab } from '@coequal/lab';
import type { DrillReport } from '@coequal/proof';
import { makeFiles } from './files.ts';
import { run } from './program.ts';
import { calmSnapshot } from './view/testing.ts';
import type { GatewayPort, LabPort, World } from './world.ts';

export type LabScript = {
  readonly listed?: readonly ListedLab[];
  readonly snapshot?: LabSnapshot;
  /** The lab is found, and never answers. */
  readonly silent?: true;
  readonly reports?: readonly DrillReport[];
  readonly diagnosed?: DiagnoseReport;
  readonly figures?: readonly BenchFigure[];
  /** What starting does instead of succeeding. */
  readonly start?: (signal: AbortSignal) => Promise<never>;
  /** What watching does after the first snapshot; waits for the end unless given. */
  readonly watch?: () => Promise<void>;
  readonly answers?: readonly string[];
  /** Hears all that was told so far, whenever more is. */
  readonly hears?: (told: string) => void;
  readonly clock?: Clock;
  /** Gateways as this says; the real code, which looks for real ones, unless given. */
  readonly gateway?: GatewayPort;
  /** The environment; empty unless given. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** The exit code of a gateway that is run. */
  readonly gatewayEnds?: number;
};

export type Ran = {
  readonly code: number;
  readonly out: string;
  readonly told: string;
  /** Calls of the lab in order: `fault {"kind":…}`. */
  readonly calls: readonly string[];
};

export const listed = (name: string, running = true): ListedLab => ({
  name,
  running,
  pid: running ? 7 : null,
  folder: `/labs/${name}`,
  kept: false,
});

/** Runs a command line in such a world. `interruptAfter`: interrupts once this text was said, or this call made. */
export const runIn = async (args: readonly string[], script: LabScript = {}, interruptAfter?: string): Promise<Ran> => {
  const interruption = new AbortController();
  const calls: string[] = [];
  let out = '';
  let told = '';
  const heard = (): void => {
    if (interruptAfter !== undefined && (out + told + calls.join('\n')).includes(interruptAfter)) interruption.abort();
  };
  const answers = [...(script.answers ?? [])];
  const real = makeFiles('/', undefined, Readable.from([]));
  const world: World = {
    out: (text) => {
      out += text;
      heard();
    },
    tell: (text) => {
      told += text;
      script.hears?.(told);
      heard();
    },
    clock: script.clock ?? { now: () => 0, monotonic: () => 0, sleep: async () => undefined },
    random: seededRandom(1),
    environment: script.environment ?? {},
    interrupted: interruption.signal,
    terminal: undefined,
    files: {
      absolute: (path) => (path.startsWith('/') ? path : `/here/${path}`),
      readText: (path) => readFile(path, 'utf8'),
      readData: real.readData,
      writeText: real.writeText,
      mustBeReadable: async () => undefined,
      secret: async () => answers.shift() ?? '',
      ask: script.answers === undefined ? undefined : async () => answers.shift() ?? '',
    },
    lab: async () =>
      makeLab(script, (call, value) => {
        calls.push(value === undefined ? call : `${call} ${JSON.stringify(value)}`);
        heard();
      }),
    gateway: async () => script.gateway ?? import('@coequal/gateway'),
    agent: () => import('@coequal/agent'),
    platform: () => import('@coequal/platform'),
    runAct: async (actArgs) => {
      calls.push(`act ${actArgs.join(' ')}`);
      return 0;
    },
    runAgent: async (agentArgs) => {
      calls.push(`agent ${agentArgs.join(' ')}`);
      return 0;
    },
    diagnosis: () => import('@coequal/diagnosis'),
    runGateway: async (gatewayArgs) => {
      calls.push(`gateway ${gatewayArgs.join(' ')}`);
      return script.gatewayEnds ?? 0;
    },
    runPlatform: async (platformArgs) => {
      calls.push(`platform ${platformArgs.join(' ')}`);
      return 0;
    },
    runStore: async (storeArgs) => {
      calls.push(`store ${storeArgs.join(' ')}`);
      return 0;
    },
    version: '0.0.0',
    user: 'tester',
    hostName: 'here',
    present: async (paths) => paths.filter((path) => existsSync(path)),
  };
  const code = await run(args, world);
  return { code, out, told, calls };
};

const makeLab = (script: LabScript, note: (call: string, value?: unknown) => void): LabPort => {
  const handle = (name: string): LabHandle => ({
    name,
    snapshot: () =>
      script.silent === true ? new Promise(() => undefined) : Promise.resolve(script.snapshot ?? calmSnapshot),
    watch: (onSnapshot) => {
      onSnapshot(script.snapshot ?? calmSnapshot);
      return script.watch === undefined ? new Promise(() => undefined) : script.watch();
    },
    fault: async (fault) => {
      note('fault', fault);
      return { text: `${fault.site}: ${fault.kind}` };
    },
    heal: async (site) => {
      note('heal', site ?? 'all');
      return { text: 'healed' };
    },
    forcePrimary: async (instance) => {
      note('forcePrimary', instance);
      return { text: 'forced' };
    },
    drill: () => Promise.reject(new Error('not used by the command line')),
    down: async () => note('down'),
    detach: () => note('detach'),
  });
  return {
    startLab: async (options, progress, _, signal) => {
      note('start', options);
      progress('programs', 'found');
      return script.start === undefined ? handle(options.name) : script.start(signal);
    },
    openLab: async (name) => {
      if (!(script.listed ?? [listed('lab')]).some((each) => each.running && each.name === name))
        throw fail('LAB_NOT_RUNNING', { name });
      note('open', name);
      return handle(name);
    },
    listLabs: async () => script.listed ?? [listed('lab')],
    endLab: async (name, options) => {
      note('end', name);
      const kept = (script.listed ?? []).some((each) => each.name === name && each.kept);
      return { ended: 4, keptIn: kept && options?.discard !== true ? `/labs/${name}` : null };
    },
    buryLab: async (name, error) => {
      note('bury', name);
      return error;
    },
    runLabDrill: async (options) => {
      note('drill', options);
      return script.reports ?? [];
    },
    runDiagnoseDrill: async (options) => {
      note('diagnose', options);
      if (script.diagnosed === undefined) throw new Error('no report is scripted');
      return script.diagnosed;
    },
    runBench: async (names, options, { figure, progress }, signal) => {
      note('bench', { names, ...options });
      progress('measuring');
      for (const each of script.figures ?? []) figure(each);
      signal.throwIfAborted();
    },
  };
};
