/** Incidents as a person reads them in a terminal. Pure. */
import type { Incident, IncidentSummary, Place, RankedCause } from '@coequal/contract';
import { formatDuration } from '@coequal/kernel';
import { formatTable } from '../table.ts';
import { printable } from '../view/text.ts';

export const ageText = (ms: number): string =>
  ms < 60_000
    ? `${Math.max(0, Math.round(ms / 1_000))} s`
    : ms < 3_600_000
      ? `${Math.round(ms / 60_000)} min`
      : ms < 172_800_000
        ? `${Math.round(ms / 3_600_000)} h`
        : `${Math.round(ms / 86_400_000)} days`;

export const placeText = ({ gateway, instance, host, service, site }: Place): string =>
  gateway ?? instance ?? host ?? (service === undefined ? site : service) ?? 'the estate';

export const incidentLines = (items: readonly IncidentSummary[], nowMs: number): readonly string[] =>
  items.length === 0
    ? ['No incident.']
    : formatTable(
        [
          { title: 'ID' },
          { title: 'STATE' },
          { title: 'SEVERITY' },
          { title: 'AGE', right: true },
          { title: 'WHERE' },
          { title: 'WHAT' },
        ],
        items.map(({ id, state, severity, startedMs, place, title }) => [
          id,
          state,
          severity,
          ageText(nowMs - startedMs),
          placeText(place),
          printable(title),
        ]),
      );

const clock = (ms: number): string => new Date(ms).toISOString().slice(11, 19);
const percent = (share: number): string => `${Math.round(share * 100)} %`;
const evidenceEach = 5;
const alertsShown = 15;
const storyShown = 30;

export const incidentText = (incident: Incident, nowMs: number): readonly string[] => {
  const { id, state, severity, title, startedMs, resolvedMs, detectedMs, diagnosis, alerts, timeline, assignee } =
    incident;
  const length =
    resolvedMs === undefined ? `for ${ageText(nowMs - startedMs)}` : `lasted ${formatDuration(resolvedMs - startedMs)}`;
  const firing = alerts.filter(({ endedMs }) => endedMs === undefined);
  const others = alerts.filter(({ endedMs }) => endedMs !== undefined);
  return [
    printable(title),
    `${id}  ${state}, ${severity}, since ${clock(startedMs)} UTC (${length}), seen ${formatDuration(Math.max(0, detectedMs - startedMs))} after it began${assignee === undefined ? '' : `, ${printable(assignee)} works on it`}`,
    ...(incident.confirmedCause === undefined ? [] : [`Confirmed cause: ${printable(incident.confirmedCause)}`]),
    '',
    ...(diagnosis === undefined ? ['No cause is known yet.'] : [printable(diagnosis.sentence)]),
    ...(diagnosis?.causes ?? []).slice(0, 3).flatMap(causeLines),
    ...(diagnosis?.ruledOut ?? []).slice(0, 5).map((text) => `  not ${printable(text)}`),
    '',
    `Alerts: ${firing.length} firing, ${others.length} over`,
    ...[...firing, ...others]
      .slice(0, alertsShown)
      .map(
        ({ startedMs: begun, endedMs, summary }) =>
          `  ${clock(begun)}${endedMs === undefined ? '         ' : `–${clock(endedMs)}`} ${printable(summary)}`,
      ),
    ...(alerts.length > alertsShown ? [`  and ${alerts.length - alertsShown} more`] : []),
    '',
    'Story:',
    ...timeline
      .slice(-storyShown)
      .map(
        ({ atMs, what, text, by }) =>
          `  ${clock(atMs)} ${what.padEnd(12)} ${by === undefined ? '' : `${printable(by)}: `}${printable(text)}`,
      ),
  ];
};

const causeLines = ({ cause, place, confidence, evidence, runbook }: RankedCause): readonly string[] => [
  `  ${percent(confidence).padStart(5)}  ${cause} at ${placeText(place)}${runbook === undefined ? '' : `  (runbook ${runbook})`}`,
  ...evidence.slice(0, evidenceEach).map(({ text }) => `         ${printable(text)}`),
];
