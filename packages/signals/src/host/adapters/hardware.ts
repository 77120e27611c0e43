/**
 * Reads what of a host's hardware changes slowly: arrays, paths, bonds and zones from /proc and /sys, disks and the clock from programs that are
 * installed. Programs run beside the readings: one that takes its time, or hangs until its deadline, holds up none. What they said last is
 * told until they say something else, and no longer when they fail.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, codeOf } from '@coequal/kernel';
import type { Point } from '../../sample.ts';
import { readTracking } from '../chrony.ts';
import { nvmeDevices, readNvme, readSmart, smartDevices } from '../disk-programs.ts';
import { type FileProblem, type HostReadings, Readings } from '../readings.ts';
import { type Named, namedIn } from '../scope.ts';
import { readBond, readDiskInfo, readMultipath, readRaid, readThermalZone } from '../storage-health.ts';
import { type RunProgram, runProgram } from './run-program.ts';

export type HardwareCollectorOptions = {
  readonly clock: Clock;
  /** Where /proc, /sys and /run are seen; programs are run on the host itself only (the empty text). */
  readonly root: string;
  /** Block devices of the host; undefined: all. */
  readonly devices?: readonly string[] | undefined;
  /** For tests: who runs programs. */
  readonly run?: RunProgram;
};

const disksEveryMs = 300_000;
const clockEveryMs = 30_000;
const diskLimit = 100;
const noDisk = /^(loop|ram|zram|sr|fd|dm-|md|nbd)/;

type Told = { readonly points: readonly Point[]; readonly problems: readonly FileProblem[] };
type Periodic = {
  readonly everyMs: number;
  readonly ask: (out: Readings) => Promise<void>;
  dueMs: number;
  busy: boolean;
  told: Told;
};

export class HardwareCollector {
  readonly #root: string;
  readonly #clock: Clock;
  readonly #run: RunProgram;
  readonly #devices: Named;
  readonly #programs: readonly Periodic[];

  constructor({ clock, root, devices, run = runProgram }: HardwareCollectorOptions) {
    this.#root = root;
    this.#clock = clock;
    this.#run = run;
    this.#devices = namedIn(devices);
    const periodic = (everyMs: number, ask: Periodic['ask']): Periodic => ({
      everyMs,
      ask,
      dueMs: -Infinity,
      busy: false,
      told: { points: [], problems: [] },
    });
    this.#programs =
      root === ''
        ? [
            periodic(disksEveryMs, (out) => this.#askSmart(out)),
            periodic(disksEveryMs, (out) => this.#askNvme(out)),
            periodic(clockEveryMs, (out) => this.#askClock(out)),
          ]
        : [];
  }

  /** What the files show now, and what programs said last. Starts those that are due, and waits for none. */
  collect(): HostReadings {
    const out = new Readings();
    const raid = this.#read('/proc/mdstat');
    if (raid !== undefined) readRaid(raid, out);
    this.#readBonds(out);
    this.#readZones(out);
    for (const device of this.#list('/sys/block')) {
      if (device.startsWith('dm-')) this.#readMultipath(device, out);
      else if (!noDisk.test(device) && this.#devices?.has(device) !== false) this.#readDisk(device, out);
    }
    for (const program of this.#programs) this.#start(program);
    return {
      points: [...out.points, ...this.#programs.flatMap(({ told }) => told.points)],
      problems: [...out.problems, ...this.#programs.flatMap(({ told }) => told.problems)],
    };
  }

  /** For whoever wants the first answers: resolves when nothing runs. */
  async settled(): Promise<void> {
    while (this.#programs.some(({ busy }) => busy)) await this.#clock.sleep(5);
  }

  #start(program: Periodic): void {
    const now = this.#clock.monotonic();
    if (program.busy || now < program.dueMs) return;
    program.busy = true;
    program.dueMs = now + program.everyMs;
    const out = new Readings();
    const end = (): void => {
      program.busy = false;
      program.told = { points: out.points, problems: out.problems };
    };
    program.ask(out).then(end, end);
  }

  /** Undefined when it is not installed, or failed, which is a problem then. */
  async #ask(out: Readings, program: string, ...args: readonly string[]): Promise<string | undefined> {
    const answer = await this.#run(program, args);
    if (answer.kind === 'said') return answer.text;
    if (answer.kind === 'failed') {
      out.linesOf(program, '');
      out.problem(0, answer.what);
    }
    return undefined;
  }

  async #askSmart(out: Readings): Promise<void> {
    const scan = await this.#ask(out, 'smartctl', '--json', '--scan');
    if (scan === undefined) return;
    for (const { name, type } of smartDevices(scan, out).slice(0, diskLimit)) {
      // A disk that sleeps is not woken.
      const text = await this.#ask(out, 'smartctl', '--json', '--all', '--nocheck=standby', `--device=${type}`, name);
      if (text !== undefined) readSmart(text, out);
    }
  }

  async #askNvme(out: Readings): Promise<void> {
    const list = await this.#ask(out, 'nvme', 'list', '--output-format=json');
    if (list === undefined || list === '') return;
    for (const path of nvmeDevices(list, out).slice(0, diskLimit)) {
      const text = await this.#ask(out, 'nvme', 'smart-log', '--output-format=json', path);
      if (text !== undefined) readNvme(path, text, out);
    }
  }

  async #askClock(out: Readings): Promise<void> {
    const text = await this.#ask(out, 'chronyc', '-c', 'tracking');
    if (text !== undefined) readTracking(text, out);
  }

  #readBonds(out: Readings): void {
    const net = '/sys/class/net';
    const masters = (this.#read(net, 'bonding_masters') ?? '').split(/\s+/).filter((name) => name !== '');
    for (const bond of masters) {
      const names = (this.#read(net, bond, 'bonding/slaves') ?? '').split(/\s+/).filter((name) => name !== '');
      const links = names.map((name) => ({ name, status: this.#read(net, name, 'bonding_slave/mii_status') ?? '' }));
      readBond(bond, links, out);
    }
  }

  #readZones(out: Readings): void {
    const folder = '/sys/class/thermal';
    for (const thing of this.#list(folder).filter((name) => /^thermal_zone\d+$/.test(name))) {
      const [type, text] = [this.#read(folder, thing, 'type'), this.#read(folder, thing, 'temp')];
      if (type !== undefined && text !== undefined) readThermalZone({ thing, file: 'temp', text }, type, out);
    }
  }

  #readMultipath(device: string, out: Readings): void {
    const folder = `/sys/block/${device}`;
    if (this.#read(folder, 'dm/uuid')?.startsWith('mpath-') !== true) return;
    const paths = this.#list(folder, 'slaves').map((disk) => ({
      disk,
      state: (this.#read('/sys/block', disk, 'device/state') ?? '').trim(),
    }));
    readMultipath(
      {
        device,
        name: (this.#read(folder, 'dm/name') ?? device).trim(),
        suspended: this.#read(folder, 'dm/suspended')?.trim() === '1',
        sectors: this.#read(folder, 'size') ?? '',
        paths,
      },
      out,
    );
  }

  #readDisk(device: string, out: Readings): void {
    const [major, minor] = (this.#read('/sys/block', device, 'dev') ?? '').trim().split(':');
    if (major === undefined || minor === undefined) return;
    readDiskInfo(device, { major, minor }, this.#read(`/run/udev/data/b${major}:${minor}`) ?? '', out);
  }

  #read(...path: readonly string[]): string | undefined {
    try {
      return readFileSync(join(this.#root, ...path), 'utf8');
    } catch (error) {
      if (codeOf(error) === undefined) throw error;
      return undefined;
    }
  }

  #list(...path: readonly string[]): readonly string[] {
    try {
      return readdirSync(join(this.#root, ...path));
    } catch (error) {
      if (codeOf(error) === undefined) throw error;
      return [];
    }
  }
}
