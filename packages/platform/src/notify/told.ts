/** The alerts of incidents as they are told outside, and which of them nobody needs to hear of now. What is told outside holds no values of rows. Pure. */
import { type Incident, withoutValues } from '@coequal/contract';
import { type InhibitRule, type Label, labelsOf, type ToldAlert } from '@coequal/signals';

/** While the first lasts, the others say nothing new to whoever is called. */
export const inhibitRules: readonly InhibitRule[] = [
  {
    source: [{ name: 'alertname', sign: '=', value: 'SiteSilent' }],
    target: [{ name: 'alertname', sign: '!=', value: 'SiteSilent' }],
    equal: ['site'],
  },
  {
    source: [{ name: 'alertname', sign: '=~', value: 'InstanceDown|GatewayDown|AgentSilent' }],
    target: [{ name: 'severity', sign: '=', value: 'warning' }],
    equal: ['host'],
  },
];

/** Those that fire, with their incident and its cause in the annotations. */
export const toldAlerts = (open: readonly Incident[], url: string): readonly ToldAlert[] =>
  open.flatMap((incident) =>
    incident.alerts
      .filter(({ endedMs }) => endedMs === undefined)
      .flatMap((alert): readonly ToldAlert[] => {
        const own = Object.entries(alert.labels).filter(([name]) => name !== 'alertname' && name !== 'severity');
        const labels = labelsOf([...own, ['alertname', alert.name], ['severity', alert.severity]]);
        if (labels === undefined) return [];
        const annotations: readonly Label[] = [
          ['summary', withoutValues(alert.summary)],
          ['incident', incident.id],
          ['incident_title', withoutValues(incident.title)],
          ['cause', withoutValues(incident.diagnosis?.sentence ?? '')],
        ];
        return [
          {
            labels,
            annotations: labelsOf(annotations) ?? [],
            startsAtMs: alert.startedMs,
            generatorUrl: `${url}/api/v1/incidents/${incident.id}`,
          },
        ];
      }),
  );
