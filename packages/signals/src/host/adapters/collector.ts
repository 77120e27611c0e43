/**
 * Reads a Linux host. Files of /proc and /sys are read at once and in place: they come from memory. File systems are asked
 * (statfs) beside that, because a dead network mount never answers: at most two questions are open at a time, so that
 * Node's few threads stay free, and a mount that still owes an answer is not asked again. What cannot be read is left out,
 * as node_exporter does; what is read and makes no sense is a problem.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { hostname, machine, release, type, version } from 'node:os';
import { basename, join } from 'node:path';
import { type Clock, codeOf } from '@coequal/kernel';
import type { Point } from '../../sample.ts';
import { type FilesystemSpace, type Mount, parseMounts, readFilesystem } from '../disk.ts';
import { procFiles } from '../files.ts';
import {
  chipName,
  isSensorFile,
  linkFileNames,
  memoryErrorFileNames,
  readLink,
  readMemoryErrors,
  readSensor,
} from '../hardware.ts';
import { groupFiles, namedGroup, type OwnGroup, parseOwnGroup, readGroupFile } from '../limits.ts';
import { type PressureKind, readKernelName, readPressure } from '../processor.ts';
import { type HostReadings, noLabels, Readings } from '../readings.ts';
import { type HostScope, type Named, namedIn, wholeMachine } from '../scope.ts';

export type HostCollectorOptions = {
  readonly clock: Clock;
  /** Where /proc and /sys are seen, without them; the empty text on the host itself, `/host` in many containers. */
  readonly root: string;
  /** Page size of the kernel, for memory of sockets. */
  readonly pageBytes: number;
  /** How long file systems may take to answer, milliseconds. */
  readonly filesystemDeadlineMs: number;
  /** The whole machine unless given. */
  readonly scope?: HostScope;
  /** For tests: who answers for a mount point. */
  readonly askFilesystem?: (mountpoint: string) => Promise<FilesystemSpace>;
};

/** Sensors are slow to read (some are behind a serial bus) and slow to change. */
const sensorEveryMs = 30_000;
const linksEveryMs = 2_000;
/** Of Node's usual four threads. */
const openQuestions = 2;

const pressureKinds: readonly PressureKind[] = ['cpu', 'memory', 'io'];

export class HostCollector {
  readonly #options: HostCollectorOptions;
  readonly #files: ReturnType<typeof procFiles>;
  readonly #owing = new Set<string>();
  readonly #group: OwnGroup | undefined;
  readonly #scope: HostScope;
  readonly #mounts: Named;
  #mountTable: { readonly text: string; readonly mounts: readonly Mount[] } = { text: '', mounts: [] };
  readonly #interfaces: Named;
  #links: readonly Point[] = [];
  #linksReadMs = -Infinity;
  #sensors: readonly Point[] = [];
  #sensorsReadMs = -Infinity;

  constructor(options: HostCollectorOptions) {
    this.#options = options;
    this.#scope = options.scope ?? wholeMachine;
    this.#mounts = namedIn(this.#scope.mounts);
    this.#interfaces = namedIn(this.#scope.interfaces);
    this.#files = procFiles(options.pageBytes, this.#scope);
    this.#group = this.#findGroup();
  }

  /** Everything the host shows now. Never rejects for what the host lacks, and ends by the deadline. */
  async collect(): Promise<HostReadings> {
    const out = new Readings();
    out.add('node_time_seconds', noLabels, this.#options.clock.now() / 1_000);
    for (const [file, read] of this.#files) {
      const text = this.#read('/proc', file);
      if (text !== undefined) read(text, out);
    }
    this.#readKernelName(out);
    out.points.push(...this.#linkPoints(out));
    this.#readGroup(out);
    out.points.push(...this.#sensorPoints(out));
    await this.#readFilesystems(out);
    return { points: out.points, problems: out.problems };
  }

  #findGroup(): OwnGroup | undefined {
    const text = this.#read('/proc/self/cgroup');
    const own = text === undefined ? undefined : parseOwnGroup(text);
    const { cgroup } = this.#scope;
    if (own === undefined || cgroup === undefined) return own;
    return namedGroup(own, cgroup, (folder) => existsSync(join(this.#options.root, '/sys/fs/cgroup', folder)));
  }

  #read(...path: readonly string[]): string | undefined {
    return readSystemFile(join(this.#options.root, ...path));
  }

  #list(...path: readonly string[]): readonly string[] {
    try {
      return readdirSync(join(this.#options.root, ...path));
    } catch (error) {
      if (codeOf(error) === undefined) throw error;
      return [];
    }
  }

  #readKernelName(out: Readings): void {
    const domainname = this.#read('/proc/sys/kernel/domainname')?.trim() ?? '(none)';
    const own = { sysname: type(), release: release(), version: version(), nodename: hostname(), machine: machine() };
    readKernelName({ ...own, domainname }, out);
  }

  /** Files of links are many, and those of virtual ones mostly answer with an error. */
  #linkPoints(out: Readings): readonly Point[] {
    const now = this.#options.clock.monotonic();
    if (now - this.#linksReadMs < linksEveryMs) return this.#links;
    this.#linksReadMs = now;
    const found = new Readings();
    const folder = '/sys/class/net';
    for (const thing of this.#list(folder).filter((name) => this.#interfaces?.has(name) !== false))
      for (const file of linkFileNames) {
        const text = this.#read(folder, thing, file);
        if (text !== undefined) readLink({ thing, file, text }, found);
      }
    out.problems.push(...found.problems);
    this.#links = found.points;
    return this.#links;
  }

  #readGroup(out: Readings): void {
    if (this.#group === undefined) return;
    for (const file of groupFiles(this.#group)) {
      const text = this.#read('/sys/fs/cgroup', file);
      if (text === undefined) continue;
      readGroupFile(this.#group, file, text, out);
      // The group is the host: its pressure is what the host's pressure would be.
      const kind = pressureKinds.find((name) => file.endsWith(`${name}.pressure`));
      if (kind !== undefined && !this.#scope.wholeMachine) readPressure(kind, text, out);
    }
  }

  #sensorPoints(out: Readings): readonly Point[] {
    const now = this.#options.clock.monotonic();
    if (now - this.#sensorsReadMs < sensorEveryMs) return this.#sensors;
    this.#sensorsReadMs = now;
    const found = new Readings();
    const errors = '/sys/devices/system/edac/mc';
    for (const thing of this.#list(errors).filter((name) => /^mc\d+$/.test(name)))
      for (const file of memoryErrorFileNames) {
        const text = this.#read(errors, thing, file);
        if (text !== undefined) readMemoryErrors({ thing, file, text }, found);
      }
    const monitors = '/sys/class/hwmon';
    for (const folder of this.#list(monitors)) {
      const thing = this.#chipOf(join(monitors, folder), folder);
      for (const file of this.#list(monitors, folder).filter(isSensorFile)) {
        const text = this.#read(monitors, folder, file);
        if (text !== undefined) readSensor({ thing, file, text }, found);
      }
    }
    out.problems.push(...found.problems);
    this.#sensors = found.points;
    return this.#sensors;
  }

  #chipOf(path: string, folder: string): string {
    const target = (link: string): string | undefined => {
      try {
        return basename(readlinkSync(join(this.#options.root, path, link)));
      } catch (error) {
        if (codeOf(error) === undefined) throw error;
        return undefined;
      }
    };
    const [bus, device] = [target('device/subsystem'), target('device')];
    return bus === undefined || device === undefined ? folder : chipName(bus, device);
  }

  /** The table changes rarely and is long. */
  #mountsNow(): readonly Mount[] {
    const text = this.#readMounts();
    if (text !== this.#mountTable.text) this.#mountTable = { text, mounts: parseMounts(text, this.#mounts) };
    return this.#mountTable.mounts;
  }

  /** Mounts that were named are looked for where this process lives, which may be a namespace of its own. */
  #readMounts(): string {
    const own = (): string => this.#read('/proc/self/mounts') ?? '';
    return this.#mounts === undefined ? (this.#read('/proc/1/mounts') ?? own()) : own();
  }

  async #readFilesystems(out: Readings): Promise<void> {
    const mounts = this.#mountsNow();
    const waiting = mounts.filter(({ mountpoint }) => !this.#owing.has(mountpoint));
    const unasked = new Set(waiting);
    const answers = new Map<Mount, FilesystemSpace | undefined>();
    const toAnswer = waiting.length;
    const all = Promise.withResolvers<void>();
    const askNext = (): void => {
      if (answers.size === toAnswer) all.resolve();
      while (this.#owing.size < openQuestions) {
        const mount = waiting.shift();
        if (mount === undefined) return;
        unasked.delete(mount);
        this.#ask(mount, (space) => answers.set(mount, space), askNext);
      }
    };
    askNext();
    if (toAnswer > 0) await this.#untilDeadline(all.promise);
    waiting.length = 0;
    if (unasked.size > 0) {
      out.linesOf('/proc/1/mounts', '');
      out.problem(0, `${unasked.size} file systems were not asked: others do not answer`);
    }
    for (const mount of mounts) if (!unasked.has(mount)) readFilesystem(mount, answers.get(mount), out);
  }

  /** What did not answer until then is told as such. */
  async #untilDeadline(answered: Promise<void>): Promise<void> {
    const { clock, filesystemDeadlineMs } = this.#options;
    const over = new AbortController();
    const deadline = clock.sleep(filesystemDeadlineMs, over.signal).catch(() => undefined);
    await Promise.race([answered, deadline]);
    over.abort('done');
  }

  #ask(mount: Mount, answered: (space: FilesystemSpace | undefined) => void, then: () => void): void {
    const { mountpoint } = mount;
    const ask = this.#options.askFilesystem ?? statfs;
    this.#owing.add(mountpoint);
    const end = (space: FilesystemSpace | undefined): void => {
      this.#owing.delete(mountpoint);
      answered(space);
      then();
    };
    ask(mountpoint).then(end, () => end(undefined));
  }
}

/** Undefined when the kernel does not give it: no such file, no right to it, no device behind it. */
const readSystemFile = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
    return undefined;
  }
};
