/**
 * The drill `diagnose`: one lab, one fault after the other, and what the platform says of each. Between faults all must be quiet again; what
 * opens then is a false incident. It ends what it made in order, also when it is interrupted.
 */
import { type Clock, CoequalError, reasonOf, until } from '@coequal/kernel';
import type { Fault } from '@coequal/proof';
import type { PlannedFault } from './faults.ts';
import { judgeFault, type Sight, type Verdict } from './judge.ts';
import type { PlatformPort } from './platform.ts';

export type DiagnosePorts = {
  readonly platform: PlatformPort;
  readonly fault: (fault: Fault) => Promise<unknown>;
  readonly heal: () => Promise<unknown>;
  readonly clock: Clock;
  readonly tell: (text: string) => void;
  readonly signal: AbortSignal;
};

export type DiagnoseTimes = {
  /** How long a fault stays. */
  readonly holdMs: number;
  /** How long all must have been quiet before the next one. */
  readonly quietMs: number;
};

export type DiagnoseRuns = {
  readonly verdicts: readonly Verdict[];
  readonly healthyMs: number;
  readonly falseIncidents: readonly { readonly atMs: number; readonly title: string }[];
  /** Faults that could not be made here, and why. */
  readonly skipped: readonly { readonly kind: string; readonly reason: string }[];
};

const lookEveryMs = 200;
const calmDeadlineMs = 240_000;

export const drillDiagnosis = async (
  plan: readonly PlannedFault[],
  times: DiagnoseTimes,
  ports: DiagnosePorts,
  each: (verdict: Verdict) => Promise<void>,
): Promise<DiagnoseRuns> => {
  const { clock, signal, tell } = ports;
  const verdicts: Verdict[] = [];
  const skipped: DiagnoseRuns['skipped'][number][] = [];
  const falseIncidents: DiagnoseRuns['falseIncidents'][number][] = [];
  let healthyMs = 0;
  for (const [index, planned] of plan.entries()) {
    await calm(ports);
    const quiet = await watchQuiet(times.quietMs, ports);
    healthyMs += times.quietMs;
    falseIncidents.push(...quiet);
    for (const { title } of quiet) tell(`FALSE  ${title}`);
    if (quiet.length > 0) await calm(ports);
    const begunMs = clock.now();
    try {
      const made = ports.fault(planned.fault);
      const watched = watchFault(planned, begunMs, made, times.holdMs, ports);
      // Whatever happens to the watching: what was broken is put back.
      const { sights, inForceMs } = await watched.finally(() => made.then(ports.heal, nothing));
      const later = await calm(ports, begunMs);
      const verdict = judgeFault(planned, inForceMs, sights, later);
      verdicts.push(verdict);
      tell(`${index + 1} of ${plan.length}  ${verdictLine(verdict)}`);
      await each(verdict);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof CoequalError) || error.code !== 'FAULT_IMPOSSIBLE') throw error;
      skipped.push({ kind: planned.fault.kind, reason: reasonOf(error) });
      tell(`${index + 1} of ${plan.length}  ${planned.fault.kind} cannot be made here: ${reasonOf(error)}`);
    }
  }
  return { verdicts, healthyMs, falseIncidents, skipped };
};

/** A fault that could not be made needs no healing. */
const nothing = (): void => undefined;

/** Work faults begin when their program has begun; damage, when it is asked for. */
const watchFault = async (
  { fault }: PlannedFault,
  begunMs: number,
  made: Promise<unknown>,
  holdMs: number,
  { clock, platform, signal }: DiagnosePorts,
): Promise<{ readonly sights: readonly Sight[]; readonly inForceMs: number }> => {
  let inForceMs = begunMs;
  let failure: unknown;
  const done = made.then(
    () => {
      if (!damage.has(fault.kind)) inForceMs = clock.now();
    },
    (error: unknown) => {
      failure = error;
    },
  );
  const sights: Sight[] = [];
  const seen = new Map<string, string>();
  while (clock.now() < inForceMs + holdMs) {
    if (failure !== undefined) throw failure;
    for (const incident of await platform.incidentsSince(begunMs)) {
      const { diagnosis } = incident;
      const causes = diagnosis?.causes ?? [];
      const look = JSON.stringify(causes.map(({ cause, place }) => [cause, place]));
      if (seen.get(incident.id) === look) continue;
      seen.set(incident.id, look);
      sights.push({ atMs: clock.now(), incident, causes, sentence: diagnosis?.sentence });
    }
    await clock.sleep(lookEveryMs, signal);
  }
  await done;
  if (failure !== undefined) throw failure;
  return { sights, inForceMs };
};

const damage: ReadonlySet<string> = new Set([
  'kill',
  'hang',
  'stop',
  'partition',
  'gateway-kill',
  'gateway-hang',
  'gateway-stop',
]);

/** Waits until no incident is open; answers those that were opened since a time. */
const calm = async (
  { platform, clock, signal }: DiagnosePorts,
  sinceMs = Number.POSITIVE_INFINITY,
): Promise<ReadonlyMap<string, string>> => {
  const opened = new Map<string, string>();
  let last = '';
  const wait = { what: 'No open incident', deadlineMs: calmDeadlineMs, everyMs: 500, signal, last: () => last };
  await until(clock, wait, async () => {
    const incidents = await platform.incidentsSince(sinceMs);
    for (const { id, title, detectedMs } of incidents) if (detectedMs >= sinceMs) opened.set(id, title);
    const open = incidents.filter(({ state }) => state !== 'resolved');
    last = open.map(({ title }) => title).join('; ');
    return open.length === 0;
  });
  return opened;
};

const watchQuiet = async (
  quietMs: number,
  { platform, clock, signal }: DiagnosePorts,
): Promise<DiagnoseRuns['falseIncidents']> => {
  const sinceMs = clock.now();
  while (clock.now() < sinceMs + quietMs) await clock.sleep(Math.min(1_000, quietMs), signal);
  const incidents = await platform.incidentsSince(sinceMs);
  return incidents
    .filter(({ detectedMs }) => detectedMs >= sinceMs)
    .map(({ detectedMs, title }) => ({ atMs: detectedMs, title }));
};

const seconds = (ms: number | null): string => (ms === null ? 'never' : `${(ms / 1_000).toFixed(1)} s`);

export const verdictLine = ({
  kind,
  site,
  cause,
  rank,
  incidents,
  incidentMs,
  causeMs,
  rightMs,
  named,
}: Verdict): string => {
  const [first] = named;
  const said = first === undefined ? 'nothing' : `${first.cause} at ${first.where} (${first.confidence.toFixed(2)})`;
  const answer = rank === 1 ? 'RIGHT' : rank !== null && rank <= 3 ? `RANK ${rank}` : 'WRONG';
  return (
    `${answer}  ${kind} at ${site} (${cause}): ${said}; incident ${seconds(incidentMs)}, cause ${seconds(causeMs)}, right ${seconds(rightMs)}` +
    (incidents === 1 ? '' : `, ${incidents} INCIDENTS`)
  );
};
