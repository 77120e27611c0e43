/**
 * The incidents that are open: it takes what is wrong each second, keeps incidents on disk before it tells of them, has them diagnosed,
 * and does what people say. When the disk refuses, everything goes on in memory and is written as soon as it can be.
 */
import type { Incident, IncidentDiagnosis } from '@coequal/contract';
import { type Counters, fail, type Log, reasonOf } from '@coequal/kernel';
import { limits } from '../limits.ts';
import type { Places } from '../places.ts';
import type { IncidentStore } from '../store/port.ts';
import type { Finding } from '../watch/finding.ts';
import { withDiagnosis } from './conclude.ts';
import { alertKey, noted, stepGroups } from './groups.ts';
import { afterDiagnosis, firstSchedule, isDue, type Schedule } from './schedule.ts';

export type KeeperOptions = {
  readonly store: IncidentStore;
  readonly places: Places;
  readonly counters: Counters;
  readonly log: Log;
  readonly newId: (nowMs: number) => string;
  readonly now: () => number;
  /** Undefined: nothing could be said. */
  readonly diagnose: (incident: Incident, nowMs: number) => Promise<IncidentDiagnosis | undefined>;
  readonly onChange: (incident: Incident) => void;
  /** A person said what it was: whoever learns from it is told. */
  readonly onConfirmed: (incident: Incident, cause: string) => void;
};

export class Keeper {
  readonly #options: KeeperOptions;
  #open: readonly Incident[] = [];
  #recent: readonly Incident[] = [];
  readonly #unsaved = new Map<string, Incident>();
  readonly #schedules = new Map<string, Schedule>();
  readonly #opened;
  readonly #overflow;
  readonly #diagnoses;
  #problem: string | null = null;
  #diagnosing = false;
  /** Incidents of before a restart, and until when their alerts are held. */
  #held: { readonly ids: ReadonlySet<string>; readonly untilMs: number } = { ids: new Set(), untilMs: 0 };

  constructor(options: KeeperOptions) {
    this.#options = options;
    const { counters } = options;
    const plain = (name: string, help: string) =>
      counters.counter({ name: `coequal_platform_${name}_total`, help, labels: [] }).with({});
    this.#opened = plain('incidents_opened', 'Incidents that were opened or reopened.');
    this.#overflow = plain('alerts_left', 'Alerts for which an incident, or the platform, had no room.');
    this.#diagnoses = plain('diagnoses', 'Diagnoses that were made.');
  }

  /** Takes up what was open. Alerts are not ended before collectors had time to be heard again. */
  recall(nowMs: number): void {
    const { store } = this.#options;
    this.#open = store.open();
    this.#recent = store.resolvedSince(nowMs - limits.incidents.reopenMs);
    this.#held = { ids: new Set(this.#open.map(({ id }) => id)), untilMs: nowMs + limits.watch.graceMs };
    for (const incident of this.#open) this.#schedules.set(incident.id, { ...firstSchedule(incident), nextMs: nowMs });
  }

  get open(): readonly Incident[] {
    return this.#open;
  }

  /** Why the last write failed; null: all is written. */
  get problem(): string | null {
    return this.#problem;
  }

  get(id: string): Incident | undefined {
    return this.#open.find((one) => one.id === id) ?? this.#unsaved.get(id) ?? this.#options.store.get(id);
  }

  step(findings: readonly Finding[], nowMs: number): void {
    const { places, newId } = this.#options;
    const held = nowMs < this.#held.untilMs ? this.#stillHeld(findings) : [];
    const step = stepGroups(this.#open, [...findings, ...held], {
      places,
      nowMs,
      newId: () => newId(nowMs),
      recent: this.#recent,
    });
    const known = new Set(this.#open.map(({ id }) => id));
    this.#opened.add(step.open.filter(({ id }) => !known.has(id)).length);
    this.#overflow.add(step.overflow);
    this.#open = step.open;
    const ids = new Set(step.open.map(({ id }) => id));
    const resolved = step.changed.filter(({ state }) => state === 'resolved');
    this.#recent = [...this.#recent.filter((one) => !ids.has(one.id) && isRecent(one, nowMs)), ...resolved]
      .map((one) => endedAlerts(one, findings, nowMs))
      .slice(-limits.incidents.open);
    this.#changed(step.changed);
  }

  /** Has what is due diagnosed, one incident at a time; resolves when that is done. What happens to it meanwhile stays. */
  async diagnoseNext(nowMs: number): Promise<void> {
    const due = this.#diagnosing ? undefined : this.#open.find((one) => isDue(this.#scheduleOf(one), one, nowMs));
    if (due === undefined) return;
    this.#diagnosing = true;
    const found = await this.#diagnosed(due, nowMs);
    this.#diagnosing = false;
    const incident = this.#open.find(({ id }) => id === due.id);
    if (incident === undefined) return;
    const schedule = this.#scheduleOf(incident);
    const alerts = due.alerts.length;
    if (found === undefined) {
      this.#schedules.set(due.id, { ...schedule, nextMs: nowMs + 5_000, alerts });
      return;
    }
    this.#diagnoses.add();
    this.#schedules.set(due.id, afterDiagnosis(schedule, due, incident.diagnosis, found, nowMs));
    this.#replace(withDiagnosis(incident, found, this.#options.now()));
  }

  acknowledge(id: string, by: string, text: string | undefined, nowMs: number): Incident {
    const incident = this.#living(id);
    if (incident.state === 'acknowledged' && text === undefined) return incident;
    const entry = { atMs: nowMs, what: 'acknowledged', text: text ?? 'Acknowledged', by } as const;
    return this.#said(noted({ ...incident, state: 'acknowledged', assignee: incident.assignee ?? by }, entry));
  }

  assign(id: string, by: string, to: string | null, nowMs: number): Incident {
    const { assignee: _, ...rest } = this.#living(id);
    const next: Incident = to === null ? rest : { ...rest, assignee: to };
    return this.#said(
      noted(next, {
        atMs: nowMs,
        what: 'assigned',
        text: to === null ? 'Nobody works on it' : `${to} works on it`,
        by,
      }),
    );
  }

  comment(id: string, by: string, text: string, nowMs: number): Incident {
    return this.#said(noted(this.#known(id), { atMs: nowMs, what: 'comment', text, by }));
  }

  confirm(id: string, by: string, cause: string, text: string | undefined, nowMs: number): Incident {
    const incident = this.#known(id);
    const words = text === undefined ? `The cause was: ${cause}` : `The cause was: ${cause}. ${text}`;
    const next = this.#said(
      noted({ ...incident, confirmedCause: cause }, { atMs: nowMs, what: 'confirmed', text: words, by }),
    );
    this.#options.onConfirmed(next, cause);
    return next;
  }

  resolve(id: string, by: string, text: string | undefined, nowMs: number): Incident {
    const incident = this.#living(id);
    const entry = { atMs: nowMs, what: 'resolved', text: text ?? 'Resolved', by } as const;
    return this.#said(noted({ ...incident, state: 'resolved', resolvedMs: nowMs }, entry));
  }

  /** Writes what could not be written. */
  retry(): void {
    if (this.#unsaved.size > 0) this.#save([]);
  }

  prune(): void {
    try {
      this.#options.store.prune(limits.incidents.kept);
    } catch (error) {
      this.#options.log('warn', 'incidents could not be pruned', { reason: reasonOf(error) });
    }
  }

  #scheduleOf(incident: Incident): Schedule {
    return this.#schedules.get(incident.id) ?? firstSchedule(incident);
  }

  /** Alerts that fired before a restart and of which nobody could say yet whether they still do. */
  #stillHeld(findings: readonly Finding[]): readonly Finding[] {
    const now = new Set(findings.map(({ key }) => key));
    const ofBefore = this.#open.filter(({ id }) => this.#held.ids.has(id));
    return ofBefore.flatMap(({ alerts }) =>
      alerts
        .filter(({ endedMs }) => endedMs === undefined)
        .map((alert): Finding => {
          const { name, source, labels, severity, summary, startedMs } = alert;
          const key = alertKey(alert);
          return {
            key,
            name,
            source,
            labels,
            severity,
            summary,
            startedMs,
            place: this.#options.places.ofLabels(labels),
          };
        })
        .filter(({ key }) => !now.has(key)),
    );
  }

  async #diagnosed(incident: Incident, nowMs: number): Promise<IncidentDiagnosis | undefined> {
    try {
      return await this.#options.diagnose(incident, nowMs);
    } catch (error) {
      // A fault in the diagnosis must not cost the incident.
      this.#options.log('error', 'an incident could not be diagnosed', { id: incident.id, reason: reasonOf(error) });
      return undefined;
    }
  }

  #known(id: string): Incident {
    const incident = this.get(id);
    if (incident === undefined) throw fail('INCIDENT_UNKNOWN', { id: id.slice(0, 100) });
    return incident;
  }

  #living(id: string): Incident {
    const incident = this.#known(id);
    if (incident.state === 'resolved') throw fail('INCIDENT_IS_RESOLVED', { id });
    return incident;
  }

  /** What a person did is refused when it cannot be written down: he can do it again. */
  #said(incident: Incident): Incident {
    try {
      this.#options.store.save([incident]);
    } catch (error) {
      throw fail('STORAGE_FAILED', { reason: reasonOf(error) }, { cause: error });
    }
    this.#unsaved.delete(incident.id);
    this.#put(incident);
    this.#options.onChange(incident);
    return incident;
  }

  #put(incident: Incident): void {
    const others = this.#open.filter(({ id }) => id !== incident.id);
    if (incident.state !== 'resolved') {
      this.#open = [...others, incident];
      return;
    }
    this.#open = others;
    this.#schedules.delete(incident.id);
    this.#recent = [...this.#recent.filter(({ id }) => id !== incident.id), incident];
  }

  #replace(incident: Incident): void {
    this.#put(incident);
    this.#save([incident]);
    this.#options.onChange(incident);
  }

  #changed(changed: readonly Incident[]): void {
    if (changed.length === 0) return;
    this.#save(changed);
    for (const incident of changed) {
      if (incident.state === 'resolved') this.#schedules.delete(incident.id);
      this.#options.onChange(incident);
    }
  }

  #save(changed: readonly Incident[]): void {
    for (const incident of changed) this.#unsaved.set(incident.id, incident);
    try {
      this.#options.store.save([...this.#unsaved.values()]);
      this.#unsaved.clear();
      this.#problem = null;
    } catch (error) {
      const problem = reasonOf(error);
      if (this.#problem !== problem) this.#options.log('error', 'incidents could not be written', { reason: problem });
      this.#problem = problem;
    }
  }
}

/** Still of interest: what comes again reopens it, and alerts that fire in spite of a person's word belong to it. */
const isRecent = ({ resolvedMs = 0, alerts }: Incident, nowMs: number): boolean =>
  nowMs - resolvedMs <= limits.incidents.reopenMs || alerts.some(({ endedMs }) => endedMs === undefined);

const endedAlerts = (incident: Incident, findings: readonly Finding[], nowMs: number): Incident => {
  if (incident.alerts.every(({ endedMs }) => endedMs !== undefined)) return incident;
  const firing = new Set(findings.map(({ key }) => key));
  const alerts = incident.alerts.map((alert) =>
    alert.endedMs === undefined && !firing.has(alertKey(alert)) ? { ...alert, endedMs: nowMs } : alert,
  );
  return { ...incident, alerts };
};
