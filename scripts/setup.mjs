/**
 * Makes this checkout runnable: dependencies installed exactly as the lockfile says, and a Node that is new enough.
 * Plain JavaScript for any Node from 20 on, with nothing installed, because it is what installs things. Says nothing
 * when there is nothing to do.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
const stampPath = join(modules, '.coequal-stamp');
const lockPath = join(root, '.cache', 'setup.lock');
const neededMajor = 24;
const lockDeadlineMs = 600_000;
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'];

/** The npm that is installing, to be ended with this process. */
let installer;

/** One line for a person, on standard error: standard output belongs to the program that is run. */
export const say = (text) => process.stderr.write(`coequal: ${text}\n`);

/** Ends with exit code 2: it could not be done. */
const refuse = (text) => {
  say(text);
  process.exit(2);
};

/** The path of a Node that can run the sources, after making sure that the dependencies are there. */
export const setUp = async () => {
  if (!isStamped()) await withLock(async () => isStamped() || install());
  return findNode();
};

const lockfile = () => readFileSync(join(root, 'package-lock.json'), 'utf8');

/** What the dependencies were installed from: the lockfile, and the platform whose binaries were chosen. */
const stamp = () => {
  const hash = createHash('sha256').update(lockfile()).digest('hex');
  return `${hash} ${process.platform}-${process.arch}\n`;
};

const isStamped = () =>
  existsSync(join(modules, '.package-lock.json')) &&
  existsSync(stampPath) &&
  readFileSync(stampPath, 'utf8') === stamp();

const install = async () => {
  if (!isAsLocked()) await cleanInstall();
  linkNode();
  writeFileSync(stampPath, stamp());
};

/**
 * Older npm takes `.bin/node` away again with the package of the other architecture, which claims the same name.
 */
const linkNode = () => {
  const target = join('..', `node-${process.platform}-${process.arch}`, 'bin', 'node');
  const folder = join(modules, '.bin');
  if (!existsSync(join(folder, target)) || existsSync(join(folder, 'node'))) return;
  symlinkSync(target, join(folder, 'node'));
};

/** True when somebody installed the very same versions already, as `npm install` in a working checkout does. */
const isAsLocked = () => {
  const hidden = join(modules, '.package-lock.json');
  if (!existsSync(hidden)) return false;
  const wanted = JSON.parse(lockfile()).packages;
  const there = JSON.parse(readFileSync(hidden, 'utf8')).packages;
  const paths = Object.keys(wanted).filter((path) => path.includes('node_modules/') && isForThisPlatform(wanted[path]));
  return (
    paths.every((path) => isSame(wanted[path], there[path]) && existsSync(join(root, path))) &&
    Object.keys(there).every((path) => path in wanted)
  );
};

const isSame = (wanted, there) =>
  there !== undefined && there.version === wanted.version && there.integrity === wanted.integrity;

const isForThisPlatform = ({ optional, peer, os, cpu, libc }) => {
  if (!optional) return true;
  // An optional package without a platform is wanted by another one that may not be here.
  if (peer && os === undefined && cpu === undefined) return false;
  const allows = (list, value) => list === undefined || [list].flat().includes(value);
  return allows(os, process.platform) && allows(cpu, process.arch) && allows(libc, 'glibc') && cpu !== undefined;
};

const cleanInstall = async () => {
  say('installing the dependencies named in package-lock.json (needed once) …');
  const began = Date.now();
  const { status, output } = await npm(['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']);
  if (status === 'missing')
    refuse('npm is needed to install the dependencies, and it is not on the PATH. Install it and try again.');
  if (status !== 0) refuse(npmFailure(output));
  say(`dependencies installed in ${((Date.now() - began) / 1_000).toFixed(1)} s`);
};

/** npm through this very Node when npm started us, else the one on the PATH. */
const npm = (args) => {
  const ours = process.env.npm_execpath;
  const [program, ...first] = ours?.endsWith('.js') && existsSync(ours) ? [process.execPath, ours] : ['npm'];
  const child = spawn(program, [...first, ...args], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  installer = child;
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({ status: error.code === 'ENOENT' ? 'missing' : 1, output: error.message }));
    child.on('close', (status) => resolve({ status, output }));
  });
};

const unreachable = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|FETCH_ERROR)\b/;

const npmFailure = (output) => {
  const lines = output.split('\n').map((line) => line.replace(/^npm (error|ERR!) ?/, '').trim());
  const said = lines
    .filter((line) => line !== '' && !line.includes('complete log'))
    .slice(0, 4)
    .join(' ');
  const code = unreachable.exec(output)?.[1];
  if (code !== undefined) {
    return `the package registry cannot be reached (${code}). Check the network and \`npm config get registry\`, then try again.`;
  }
  if (/\bENOSPC\b/.test(output))
    return 'the disk is full: the dependencies need about 300 MB here. Free some and try again.';
  if (/\b(EACCES|EPERM|EROFS)\b/.test(output))
    return `no permission to write ${modules}. Give this user the folder and try again.`;
  return `npm could not install the dependencies: ${said}`;
};

/** One set-up at a time: two at once would delete each other's half. A lock of a process that died counts for nothing. */
const withLock = async (work) => {
  mkdirSync(dirname(lockPath), { recursive: true });
  const deadline = Date.now() + lockDeadlineMs;
  for (let said = false; !takeLock(); said = true) {
    if (!said) say('another start is installing the dependencies; waiting for it …');
    if (Date.now() > deadline)
      refuse(`waited too long for ${lockPath}. End the process that holds it, or remove the file.`);
    await sleep(200);
  }
  const release = () => rmSync(lockPath, { force: true });
  const interrupted = (_, number) => {
    // npm rolls back for seconds when asked to end; what it leaves half-done has no stamp and is made anew.
    installer?.kill('SIGKILL');
    process.exit(128 + number);
  };
  process.once('exit', release);
  for (const signal of signals) process.on(signal, interrupted);
  try {
    return await work();
  } finally {
    for (const signal of signals) process.off(signal, interrupted);
    process.off('exit', release);
    release();
  }
};

const takeLock = () => {
  try {
    writeFileSync(lockPath, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST')
      refuse(`${lockPath} cannot be written (${error.code}). Give this user the folder and try again.`);
    if (!isHeld()) rmSync(lockPath, { force: true });
    return false;
  }
};

const isHeld = () => {
  try {
    process.kill(Number(readFileSync(lockPath, 'utf8')) || -1, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
};

/** The Node that the lockfile brings, or this one where there is none for the platform. */
const findNode = () => {
  const bundled = join(modules, '.bin', 'node');
  const major = (program) =>
    Number(spawnSync(program, ['-p', 'process.versions.node'], { encoding: 'utf8' }).stdout?.split('.')[0]);
  if (existsSync(bundled) && major(bundled) >= neededMajor) return bundled;
  if (Number(process.versions.node.split('.')[0]) >= neededMajor) return process.execPath;
  return refuse(
    `Node ${neededMajor} is needed; this is ${process.versions.node}, and there is none to bring along for ` +
      `${process.platform}-${process.arch}. Install Node ${neededMajor} and try again.`,
  );
};

/**
 * Runs a program to its end with this one's terminal, and answers its exit code. Signals are passed on and
 * waited out, so that what the program started is ended by the program itself.
 */
export const runToEnd = (program, args, options = {}) =>
  new Promise((resolve) => {
    const path = `${join(modules, '.bin')}:${process.env.PATH ?? ''}`;
    const child = spawn(program, args, {
      cwd: root,
      stdio: 'inherit',
      env: { ...process.env, PATH: path },
      ...options,
    });
    const pass = (signal) => child.kill(signal);
    for (const signal of signals) process.on(signal, pass);
    const end = (code) => {
      for (const signal of signals) process.off(signal, pass);
      resolve(code);
    };
    child.on('error', (error) => {
      say(`${program} cannot be run: ${error.message}`);
      end(2);
    });
    child.on('exit', (code, signal) => end(signal === null ? (code ?? 2) : 128 + (constants.signals[signal] ?? 0)));
  });

/** Programs of development, as Node files, so that the Node that was found runs them. */
export const tools = {
  types: ['types', [join(modules, 'typescript', 'bin', 'tsc'), '-p', '.']],
  lint: ['lint and format', [join(modules, '@biomejs', 'biome', 'bin', 'biome'), 'ci', '.']],
  fix: ['fix', [join(modules, '@biomejs', 'biome', 'bin', 'biome'), 'check', '--write', '.']],
  vitest: ['tests', [join(modules, 'vitest', 'vitest.mjs'), 'run']],
  command: ['coequal', [join(root, 'packages', 'cli', 'src', 'main.ts')]],
};
