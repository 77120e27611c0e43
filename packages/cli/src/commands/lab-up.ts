/** `coequal lab up`: start, show, and end in order, whatever ends it. */
import { fail } from '@coequal/kernel';
import type { Interactive, LabHandle, LabOptions, LabProgress } from '@coequal/lab';
import { exitCodes } from '../failure.ts';
import { aborted } from '../interruption.ts';
import { readEstate } from '../read-estate.ts';
import { connectText } from '../view/connect.ts';
import { runLiveView } from '../view/live.ts';
import { plainView } from '../view/plain.ts';
import type { LabPort, World } from '../world.ts';
import { statusObject } from './lab-status.ts';

export type UpFlags = {
  readonly name: string;
  readonly sites?: number;
  readonly rtt?: string;
  readonly mode?: 'full' | 'plain';
  readonly preset?: 'default' | 'tight' | 'stock' | 'virtual-machines';
  readonly estate?: string;
  readonly load?: string;
  readonly skew?: number;
  /** False: none. */
  readonly gateways?: number | false;
  readonly keep?: true;
  readonly hosts?: true;
  readonly detach?: true;
  readonly workload: boolean;
  readonly branches?: true;
  readonly operations?: true;
  readonly json?: true;
};

/** Returns the exit code. An interruption is an ordinary end: the lab goes down, code 0. */
export const labUp = async (world: World, flags: UpFlags): Promise<number> => {
  const options = await checkedOptions(world, flags);
  const lab = await world.lab();
  const handle = await startOrInterrupt(world, lab, { ...options, detach: flags.detach === true });
  if (handle === undefined) return exitCodes.good;
  if (flags.detach === true) return leaveRunning(world, handle, flags);
  try {
    await show(world, handle, flags);
  } catch (error) {
    // A lab that ended by itself, or a view that failed: either way nothing stays behind.
    handle.detach();
    throw await lab.buryLab(handle.name, error);
  }
  world.tell(`Ending the lab ${handle.name} …\n`);
  handle.detach();
  const { keptIn } = await lab.endLab(handle.name);
  world.tell(
    keptIn === null ? 'The lab is down; nothing of it is left.\n' : `The lab is down; its data is kept in ${keptIn}.\n`,
  );
  return exitCodes.good;
};

/** What can be wrong with files is told before anything is started. */
const checkedOptions = async (world: World, flags: UpFlags): Promise<LabOptions> => {
  if (flags.estate !== undefined && flags.sites !== undefined)
    throw fail('COMMAND_USAGE', {
      problem: '--sites and --estate exclude each other: the estate names its sites.',
      help: 'coequal lab up --help',
    });
  if (flags.estate !== undefined) await readEstate(world, flags.estate);
  if (flags.load !== undefined)
    await world.files.mustBeReadable(
      flags.load,
      'Name a dump as mariadb-dump writes it, plain or compressed with gzip.',
    );
  return {
    name: flags.name,
    sites: flags.sites ?? 3,
    keep: flags.keep === true,
    hosts: flags.hosts === true,
    workload: flags.workload,
    ...(flags.branches === undefined ? {} : { branches: true }),
    ...(flags.operations === undefined ? {} : { operations: true }),
    ...(flags.rtt === undefined ? {} : { rtt: flags.rtt }),
    ...(flags.mode === undefined ? {} : { mode: flags.mode }),
    ...(flags.preset === undefined ? {} : { preset: flags.preset }),
    ...(flags.estate === undefined ? {} : { estatePath: world.files.absolute(flags.estate) }),
    ...(flags.load === undefined ? {} : { loadPath: world.files.absolute(flags.load) }),
    ...(flags.skew === undefined ? {} : { skew: flags.skew }),
    ...(typeof flags.gateways === 'number' ? { gateways: flags.gateways } : {}),
    ...(flags.gateways === false ? { gateways: 0 } : {}),
  };
};

/** Undefined: interrupted while starting, and what had been started is ended. */
const startOrInterrupt = async (
  world: World,
  lab: LabPort,
  options: LabOptions & { readonly detach: boolean },
): Promise<LabHandle | undefined> => {
  const { interrupted } = world;
  const telling = (): void => world.tell(`Interrupted; ending what was started of the lab ${options.name} …\n`);
  if (interrupted.aborted) telling();
  interrupted.addEventListener('abort', telling, { once: true });
  try {
    return await lab.startLab(options, progressLines(world), interactive(world), interrupted);
  } catch (error) {
    // What fails because of the interruption must not hide it.
    if (!interrupted.aborted) throw error;
    world.tell('Nothing that it started is left.\n');
    return undefined;
  } finally {
    interrupted.removeEventListener('abort', telling);
  }
};

/** Yes or no from a person; nobody there: undefined. Whatever is not clearly a yes is a no. */
const interactive = ({ files: { ask }, interrupted }: World): Interactive | undefined =>
  ask === undefined
    ? undefined
    : async (question) => /^\s*y(es)?\s*$/i.test(await ask(`${question} [y/N] `, interrupted));

const progressLines = (world: World): LabProgress => {
  const begin = world.clock.monotonic();
  return (step, detail) => {
    const seconds = ((world.clock.monotonic() - begin) / 1_000).toFixed(1).padStart(5);
    world.tell(`${seconds} s  ${step}${detail === undefined ? '' : ` (${detail})`}\n`);
  };
};

const leaveRunning = async (world: World, handle: LabHandle, flags: UpFlags): Promise<number> => {
  try {
    const snapshot = await handle.snapshot();
    if (flags.json === true) world.out(`${JSON.stringify(statusObject(snapshot))}\n`);
    else world.out(`${connectText(snapshot).join('\n')}\n`);
    world.tell(
      `The lab ${handle.name} goes on. Look at it: coequal lab status --name ${handle.name}. End it: coequal lab down --name ${handle.name}\n`,
    );
  } finally {
    handle.detach();
  }
  return exitCodes.good;
};

const show = async (world: World, handle: LabHandle, flags: UpFlags): Promise<void> => {
  if (flags.json === true) {
    const watching = handle.watch((snapshot) => world.out(`${JSON.stringify(snapshot)}\n`), world.interrupted);
    return Promise.race([watching, aborted(world.interrupted)]);
  }
  const { terminal } = world;
  world.tell(`${connectText(await handle.snapshot()).join('\n')}\n`);
  if (terminal !== undefined) {
    const colour = (world.environment.NO_COLOR ?? '') === '';
    return runLiveView({ handle, terminal, colour, interrupted: world.interrupted });
  }
  world.tell('Ctrl-C ends the lab.\n');
  const watching = handle.watch(
    plainView((line) => world.out(`${line}\n`)),
    world.interrupted,
  );
  return Promise.race([watching, aborted(world.interrupted)]);
};
