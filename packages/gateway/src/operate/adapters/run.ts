/**
 * One gateway from the command line to its end: checks, starts, listens to signals. SIGTERM and SIGINT let sessions end
 * at a boundary and end; SIGHUP takes up new code and configuration. What can be wrong is told in one line, and the
 * exit code is 2.
 */
import { join } from 'node:path';
import { type Clock, CoequalError, failureText, reasonOf } from '@coequal/kernel';
import type { AuditDetails } from '@coequal/trust';
import { type GatewayArguments, parseGatewayArguments } from '../arguments.ts';
import type { Checked } from '../checked.ts';
import { type GatewayEvent, logEvent } from '../events.ts';
import { type GatewayAudit, startAudit } from './audit.ts';
import { runCheck } from './check-process.ts';
import { makeProcessLog } from './log-lines.ts';
import { type Supervisor, startSupervisor } from './supervisor.ts';

export type RunOptions = {
  readonly argv: readonly string[];
  readonly workerFile: string;
  readonly checkFile: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  readonly clock: Clock;
  /** Told what happens, also by tests. */
  readonly started?: (supervisor: Supervisor) => void;
};

const good = 0;
const impossible = 2;
const standardOutput = 1;

/** Resolves with the exit code when the gateway has ended. */
export const runGateway = async (options: RunOptions): Promise<number> => {
  try {
    const asked = parseGatewayArguments(options.argv);
    return asked.check ? await check(options, asked) : await serve(options, asked);
  } catch (error) {
    if (!(error instanceof CoequalError) || error.kind === 'bug') throw error;
    tell(failureText(error));
    return impossible;
  }
};

const tell = (line: string): void => void process.stderr.write(`${line}\n`);

const check = async (options: RunOptions, asked: GatewayArguments): Promise<number> => {
  const interruption = interrupted();
  const checked = await runCheck(processOf(options), asked, interruption.signal);
  interruption.stop();
  if (asked.json) process.stdout.write(`${JSON.stringify({ valid: true, ...checked })}\n`);
  else process.stdout.write(checkedLines(checked));
  return good;
};

const checkedLines = ({ settings, warnings, reached }: Checked): string =>
  [
    ...warnings.map((warning) => `warning: ${warning}`),
    `${settings.name} can start on ${settings.listen.host}, port ${settings.listen.port}: ` +
      `${reached.length} of ${settings.instances.length} instances of ${settings.service} answer (${reached.join(', ')}).`,
  ]
    .map((line) => `${line}\n`)
    .join('');

const processOf = ({ checkFile, environment }: RunOptions) => ({ file: checkFile, environment });

/** Signals before there is anything to end in order. */
const interrupted = () => {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, abort);
  return {
    signal: controller.signal,
    stop: (): void => {
      for (const signal of signals) process.off(signal, abort);
    },
  };
};

const serve = async (options: RunOptions, asked: GatewayArguments): Promise<number> => {
  const { clock, version } = options;
  const interruption = interrupted();
  const { settings, warnings } = await runCheck(processOf(options), asked, interruption.signal);
  for (const warning of warnings) tell(`warning: ${warning}`);
  let linesDropped = 0;
  const log = makeProcessLog(standardOutput, clock, (lines) => {
    linesDropped += lines;
  });
  const event = (happened: GatewayEvent): void => logEvent(log.log, happened);
  const audit = startAudit(settings, clock, event);
  const supervisor = await startSupervisor({
    settings,
    audit,
    workerFile: options.workerFile,
    environment: withCompiledCode(options.environment, settings.stateFolder),
    version,
    pid: process.pid,
    clock,
    event,
    drainMs: asked.drainMs,
    linesDropped: () => linesDropped,
    check: async () =>
      (await runCheck(processOf(options), { ...asked, running: true, wait: false }, new AbortController().signal))
        .settings,
  });
  interruption.stop();
  options.started?.(supervisor);
  const ended = endOnSignal(supervisor, interruption.signal.aborted);
  process.on('SIGHUP', () => void restart(supervisor, audit, settings.name));
  // Signals are heard before anything is waited for.
  await recordOwn(audit, settings.name, 'start', 'done', { version, observe: settings.observe });
  await ended;
  await recordOwn(audit, settings.name, 'end', 'done', {});
  await audit.close();
  await log.flush();
  return good;
};

/**
 * Compiled code is kept in the gateway's own folder, unless somebody chose a place: a worker then starts in half the
 * time and with a fifth less memory, because it does not load what strips types.
 */
const withCompiledCode = (environment: RunOptions['environment'], stateFolder: string): RunOptions['environment'] => ({
  NODE_COMPILE_CACHE: join(stateFolder, 'compiled'),
  ...environment,
});

/**
 * What happens to the gateway without anybody asking over the control socket. A gateway starts and ends also when it cannot be
 * recorded: that is told as an event, and clients come first.
 */
const recordOwn = async (
  audit: GatewayAudit,
  name: string,
  what: 'start' | 'end' | 'restart',
  result: 'done' | 'asked' | 'failed',
  details: AuditDetails,
): Promise<void> => {
  try {
    await audit.write({
      actor: `gateway:${name}`,
      action: `gateway.${what}`,
      target: `gateway ${name}`,
      result,
      details,
    });
  } catch (error) {
    if (!(error instanceof CoequalError)) throw error;
  }
};

/** The restart itself tells in the log how it went. */
const restart = async (supervisor: Supervisor, audit: GatewayAudit, name: string): Promise<void> => {
  const record = (result: 'done' | 'asked' | 'failed') =>
    recordOwn(audit, name, 'restart', result, { signal: 'SIGHUP' });
  try {
    await record('asked');
    await supervisor.restart();
    await record('done');
  } catch (error) {
    await record('failed');
    tell(error instanceof CoequalError ? failureText(error) : reasonOf(error));
  }
};

const endOnSignal = (supervisor: Supervisor, now: boolean): Promise<void> =>
  new Promise((resolve, reject) => {
    const end = (reason: string): void => {
      supervisor.end(reason).then(resolve, reject);
    };
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => end(signal));
    if (now) end('a signal while it started');
  });
