/**
 * Fetches packages of the distribution with its own tools, into folders of ours: lists, archives and packages
 * stay out of the system's, nothing is installed, and apt checks the signatures as always.
 */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { fail } from '@coequal/kernel';
import { isPackageFile, isUnpacked, type Selection } from '../select.ts';
import { findProgram } from './locate.ts';
import { type Answer, type RunOptions, run } from './run.ts';

export type Apt = {
  readonly get: string;
  readonly cache: string;
  readonly unpacker: string;
};

/** The tools, or undefined on a system that is not of Debian's family. */
export const findApt = async (folders: readonly string[]): Promise<Apt | undefined> => {
  const [get, cache, unpacker] = await Promise.all(
    ['apt-get', 'apt-cache', 'dpkg-deb'].map((name) => findProgram(name, folders)),
  );
  return get === undefined || cache === undefined || unpacker === undefined ? undefined : { get, cache, unpacker };
};

export type AptSession = {
  /** Names of all packages; `trouble` is what apt said about sources that it could not reach. */
  readonly update: () => Promise<{ readonly available: ReadonlySet<string>; readonly trouble: string }>;
  readonly download: (selection: Selection) => Promise<void>;
  /** Unpacks everything downloaded into a folder. */
  readonly unpack: (root: string) => Promise<readonly string[]>;
};

const updateDeadlineMs = 180_000;
const downloadDeadlineMs = 600_000;
const unpackDeadlineMs = 120_000;

/** `folder` is for this session alone; the caller removes it. */
export const openApt = async (
  apt: Apt,
  folder: string,
  environment: RunOptions['environment'],
  signal?: AbortSignal,
): Promise<AptSession> => {
  const archives = `${folder}/archives`;
  await mkdir(`${folder}/lists/partial`, { recursive: true });
  await mkdir(`${archives}/partial`, { recursive: true });
  // Hooks of the machine (desktop indexes, container clean-up) belong to its own updates, not to ours.
  await writeFile(
    `${folder}/apt.conf`,
    ['APT::Update::Pre-Invoke', 'APT::Update::Post-Invoke', 'APT::Update::Post-Invoke-Success', 'DPkg::Post-Invoke']
      .map((hook) => `#clear ${hook};\n`)
      .join(''),
  );
  const options = aptOptions(folder);
  const ask = (program: string, args: readonly string[], deadlineMs: number): Promise<Answer> => {
    const settings = { ...environment, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };
    return run(program, args, { environment: settings, deadlineMs, folder: archives, signal });
  };
  return {
    update: async () => {
      const updated = await ask(apt.get, [...options, 'update'], updateDeadlineMs);
      const names = await ask(apt.cache, [...options, 'pkgnames'], updateDeadlineMs);
      return { available: new Set(names.output.split('\n').filter(Boolean)), trouble: complaints(updated) };
    },
    download: async (selection) => {
      const install = ['install', '--yes', '--download-only', '--no-install-recommends', ...selection.packages];
      await mustFetch(await ask(apt.get, [...options, ...install], downloadDeadlineMs), selection);
      // What is installed already (an older version, or half of a group) is not fetched by "install".
      const got = new Set((await readdir(archives)).map((name) => name.slice(0, name.indexOf('_'))));
      const rest = [...selection.packages, ...selection.alone].filter((name) => !got.has(name));
      if (rest.length === 0) return;
      await mustFetch(await ask(apt.get, [...options, 'download', ...rest], downloadDeadlineMs), selection);
    },
    unpack: async (root) => {
      const files = (await readdir(archives)).filter((name) => isPackageFile(name) && isUnpacked(name)).sort();
      for (const file of files) {
        const answer = await ask(apt.unpacker, ['-x', `${archives}/${file}`, root], unpackDeadlineMs);
        if (!answer.ok) throw unpackFailed(file, answer);
        await rm(`${archives}/${file}`);
      }
      return files.map((name) => name.replace(/\.deb$/, '').replaceAll('%3a', ':'));
    },
  };
};

const aptOptions = (folder: string): readonly string[] => {
  const settings: Readonly<Record<string, string>> = {
    'Dir::State::lists': `${folder}/lists`,
    'Dir::Cache': folder,
    'Dir::Cache::archives': `${folder}/archives`,
    'Dir::Cache::pkgcache': `${folder}/pkgcache.bin`,
    'Dir::Cache::srcpkgcache': `${folder}/srcpkgcache.bin`,
    'Debug::NoLocking': 'true',
    'APT::Sandbox::User': '',
    'APT::Get::List-Cleanup': 'false',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '2',
    'Acquire::http::Timeout': '15',
    'Acquire::https::Timeout': '15',
  };
  const pairs = Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  return ['-q', '-c', `${folder}/apt.conf`, ...pairs];
};

const mustFetch = async (answer: Answer, selection: Selection): Promise<void> => {
  if (answer.ok) return;
  const packages = [...selection.alone, ...selection.packages].join(' ');
  throw fail('PACKAGES_UNREACHABLE', { reason: complaints(answer) || answer.status, packages });
};

/** apt's own words about what went wrong, at most three, without its prefixes. */
const complaints = (answer: Answer): string => {
  const lines = `${answer.errors}\n${answer.output}`.split('\n').filter((line) => /^(E|W|Err):/.test(line));
  return [...new Set(lines.map((line) => line.replace(/^(E|W|Err):\s*/, '').trim()))].slice(0, 3).join(' ');
};

const unpackFailed = (file: string, answer: Answer) =>
  /No space left/.test(answer.errors)
    ? fail('DISK_TOO_SMALL', { path: file, free: 'nothing', needed: 'some hundred MB', setting: 'COEQUAL_HOME' })
    : fail('PROGRAM_FAILED', {
        program: `dpkg-deb -x ${file}`,
        status: answer.status,
        output: answer.errors.trim(),
        advice: 'Try again; what was half unpacked has been removed.',
      });
