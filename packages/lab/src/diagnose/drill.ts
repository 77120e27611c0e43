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
  /** How long nothing is broken in the end. */
  readonly healthyMs: number;
};

/** A stretch of time in which nothing was broken, and what was opened in it. */
export type Healthy = {
  readonly type: 'healthy';
  readonly forMs: number;
  readonly falseIncidents: readonly { readonly atMs: number; readonly title: string }[];
};

export type DiagnoseRuns = {
  /** Faults that could not be made here, and why. */
  readonly skipped: readonly { readonly kind: string; readonly reason: string }[];
};

const lookEveryMs = 200;
const calmDeadlineMs = 240_000;
/** A long quiet is watched in stretches, so that what is false is told when it comes. */
const stretchMs = 60_000;

export const drillDiagnosis = async (
  plan: readonly PlannedFault[],
  times: DiagnoseTimes,
  ports: DiagnosePorts,
  taken: (line: Verdict | Healthy) => Promise<void>,
): Promise<DiagnoseRuns> => {
  const { signal, tell } = ports;
  const skipped: DiagnoseRuns['skipped'][number][] = [];
  const watchHealthy = async (forMs: number): Promise<void> => {
    await calm(ports);
    const falseIncidents = await watchQuiet(forMs, ports);
    await taken({ type: 'healthy', forMs, falseIncidents });
    for (const { title } of falseIncidents) tell(`FALSE  ${title}`);
  };
  for (const [index, planned] of plan.entries()) {
    await watchHealthy(times.quietMs);
    try {
      const verdict = await oneFault(planned, times.holdMs, ports);
      tell(`${index + 1} of ${plan.length}  ${verdictLine(verdict)}`);
      await taken(verdict);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof CoequalError) || error.code !== 'FAULT_IMPOSSIBLE') throw error;
      skipped.push({ kind: planned.fault.kind, reason: reasonOf(error) });
      tell(`${index + 1} of ${plan.length}  ${planned.fault.kind} cannot be made here: ${reasonOf(error)}`);
    }
  }
  for (let leftMs = times.healthyMs; leftMs > 0; leftMs -= stretchMs) await watchHealthy(Math.min(stretchMs, leftMs));
  return { skipped };
};

const oneFault = async (planned: PlannedFault, holdMs: number, ports: DiagnosePorts): Promise<Verdict> => {
  const begunMs = ports.clock.now();
  const faults = [planned, ...(planned.also === undefined ? [] : [planned.also])].map(({ fault }) => fault);
  const made = faults.map((fault) => ports.fault(fault));
  try {
    const { sights, inForceMs } = await watchFault(faults, begunMs, Promise.all(made), holdMs, ports);
    await healed(made, ports);
    return judgeFault(planned, inForceMs, sights, await calm(ports, begunMs));
  } catch (error) {
    // Whatever happens to the watching: what was broken is put back.
    await healed(made, ports);
    throw error;
  }
};

/** A fault that could not be made needs no healing. */
const healed = async (made: readonly Promise<unknown>[], { heal }: DiagnosePorts): Promise<void> => {
  const results = await Promise.allSettled(made);
  if (results.some(({ status }) => status === 'fulfilled')) await heal();
};

/** Work faults begin when their program has begun; damage, when it is asked for. */
const watchFault = async (
  faults: readonly Fault[],
  begunMs: number,
  made: Promise<unknown>,
  holdMs: number,
  { clock, platform, signal }: DiagnosePorts,
): Promise<{ readonly sights: readonly Sight[]; readonly inForceMs: number }> => {
  let inForceMs = begunMs;
  let failure: unknown;
  const done = made.then(
    () => {
      if (!faults.every(({ kind }) => damage.has(kind))) inForceMs = clock.now();
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
): Promise<Healthy['falseIncidents']> => {
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
  also,
  amount,
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
    `${answer}  ${kind}${amount === null ? '' : ` ${amount}`} at ${site} (${cause}${also === null ? '' : `, with ${also}`}): ${said}; incident ${seconds(incidentMs)}, cause ${seconds(causeMs)}, right ${seconds(rightMs)}` +
    (incidents === 1 ? '' : `, ${incidents} INCIDENTS`)
  );
};
