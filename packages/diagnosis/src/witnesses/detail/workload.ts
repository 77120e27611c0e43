/** What is asked of databases, and what they say of it in figures: more requests, failed log-ins, connections, conflicts, an applier that lags. */

import type { Place } from '@coequal/contract';
import { type Finding, factorFromNone, factorOf, grade, numberWith, said } from '../../incident/finding.ts';
import type { Entity } from '../../incident/graph.ts';
import type { Reading, View } from '../../incident/view.ts';
import type { Labels } from '../../window.ts';
import { detailFinding } from './host.ts';

export const workloadFindings = (view: View): readonly Finding[] => [
  ...view.graph.services.flatMap((service) => {
    const members = view.graph.instances.filter(({ place }) => place.service === service.name);
    const gateways = view.graph.gateways.filter(({ place }) => place.service === service.name);
    return [spike, logins, conflicts].flatMap((look) => look(view, service, members, gateways));
  }),
  ...view.graph.instances.flatMap((instance) => [...connections(view, instance), ...applier(view, instance)]),
];

type Look = (
  view: View,
  service: Entity,
  instances: readonly Entity[],
  gateways: readonly Entity[],
) => readonly Finding[];

/** Sum of a signal over entities; a part of it that is silent counts as nothing, so that what moved elsewhere adds up to the same. */
const total = (
  view: View,
  entities: readonly Entity[],
  name: string,
  labels?: Readonly<Record<string, string>>,
): Reading | undefined => {
  const parts = entities.flatMap((entity) => view.read(entity, name, labels) ?? []);
  const first = parts[0];
  if (first === undefined) return undefined;
  const sum = new Float64Array(view.end).fill(Number.NaN);
  for (const { values } of parts)
    for (let row = 0; row < sum.length; row += 1) {
      const value = values[row] ?? Number.NaN;
      if (Number.isNaN(value)) continue;
      const before = sum[row] ?? Number.NaN;
      sum[row] = Number.isNaN(before) ? value : before + value;
    }
  return view.readingOf(name, labels ?? {}, sum);
};

const riseOf = (reading: Reading | undefined): number =>
  reading === undefined || Number.isNaN(reading.now)
    ? 0
    : reading.now - (Number.isNaN(reading.before) ? 0 : reading.before);

const spike: Look = (view, service, instances, gateways) => {
  const requests =
    total(view, gateways, 'coequal_gateway_user_requests_total') ??
    total(view, instances, 'mysql_global_status_questions');
  const questions = total(view, instances, 'mysql_global_status_questions');
  const clients =
    total(view, gateways, 'coequal_gateway_connections') ??
    total(view, instances, 'mysql_global_status_threads_connected');
  if (requests === undefined || questions === undefined || Number.isNaN(requests.before)) return [];
  const factor = Math.max(factorOf(requests, 20), factorOf(questions, 20));
  const moreClients = factorOf(clients, 5);
  const shown = factorOf(requests, 20) >= factorOf(questions, 20) ? requests : questions;
  const strength =
    grade(shown.known, 10, 40) *
    either2(0.85 * grade(factor, 1.35, 2.2), 0.5 * grade(factor, 1.2, 1.6) * grade(moreClients, 1.3, 2));
  const text = `${numberWith(shown.now, 'requests/s')} arrive (before ${numberWith(shown.before, '/s')})`;
  const place = concentrated(view, service, gateways.length > 0 ? gateways : instances, shown.name);
  if (strength < 0.1) return [detailFinding(service, 'load spike', 0, text)];
  return [
    detailFinding({ place }, 'load spike', strength, text, [
      said('requests', shown, '/s'),
      clients === undefined ? undefined : said('connections', clients, ''),
    ]),
  ];
};

/** Most of what is more comes to one entity: the cause is at its site, otherwise the service's as a whole. */
const mostOfIt = 0.65;

const concentrated = (view: View, service: Entity, entities: readonly Entity[], name: string): Place => {
  const rises = entities.map((entity) => ({ entity, rise: Math.max(0, riseOf(view.read(entity, name))) }));
  const sum = rises.reduce((all, { rise }) => all + rise, 0);
  const bySite = view.graph.sites.map((site) => ({
    site,
    rise: rises.reduce((all, { entity, rise }) => all + (entity.place.site === site.name ? rise : 0), 0),
  }));
  const first = bySite.toSorted((a, b) => b.rise - a.rise)[0];
  return first !== undefined && sum > 0 && first.rise >= mostOfIt * sum ? first.site.place : service.place;
};

const either2 = (a: number, b: number): number => 1 - (1 - a) * (1 - b);

const logins: Look = (view, service, instances, gateways) => {
  const asked = [
    ...instances.flatMap((instance) =>
      ['access_denied_errors', 'aborted_connects'].flatMap((name) =>
        told(view, instance, `mysql_global_status_${name}`),
      ),
    ),
    ...gateways.flatMap((gateway) => [
      ...told(view, gateway, 'coequal_gateway_connections_refused_total', { reason: 'blocked' }),
      ...loginResults(view, gateway).flatMap((result) =>
        told(view, gateway, 'coequal_gateway_logins_total', { result }),
      ),
    ]),
  ];
  const worst = asked.toSorted((a, b) => riseOf(b.reading) - riseOf(a.reading))[0];
  if (worst === undefined) return [];
  const rise = riseOf(worst.reading);
  const strength = 0.95 * grade(rise, 0.5, 5) * grade(factorFromNone(worst.reading, 0.2), 1.5, 3);
  if (strength < 0.1) return [detailFinding(service, 'failed log-ins', 0, 'no more log-ins fail than before')];
  // What fails nearly as often elsewhere fails everywhere; gateways fail at their site's instances.
  const others = asked.filter(
    ({ entity, reading }) => entity.place.site !== worst.entity.place.site && riseOf(reading) > rise / 2,
  );
  const near = instances.find(({ place }) => place.site === worst.entity.place.site) ?? service;
  const at = others.length > 0 ? service : worst.entity.kind === 'instance' ? worst.entity : near;
  return [
    detailFinding(at, 'failed log-ins', strength, `${numberWith(rise, 'log-ins/s')} more than before are refused`, [
      said('refused log-ins', worst.reading, '/s'),
    ]),
  ];
};

const told = (view: View, entity: Entity, name: string, labels?: Labels) => {
  const reading = view.read(entity, name, labels);
  return reading === undefined ? [] : [{ entity, reading }];
};

const loginResults = (view: View, gateway: Entity): readonly string[] => {
  const signals = view.signalsOf(gateway.key).get('coequal_gateway_logins_total') ?? [];
  return [...new Set(signals.map(({ labels }) => labels['result'] ?? ''))].filter((result) => result !== 'ok');
};

const conflicts: Look = (view, service, instances, gateways) => {
  const failures = total(view, instances, 'mysql_global_status_wsrep_local_cert_failures');
  const aborts = total(view, instances, 'mysql_global_status_wsrep_local_bf_aborts');
  const deadlocks = total(view, instances, 'mysql_global_status_innodb_deadlocks');
  const told = total(view, gateways, 'coequal_gateway_user_conflicts_total');
  const known = [failures, aborts, deadlocks, told].filter((each) => each !== undefined);
  const worst = known.toSorted((a, b) => riseOf(b) - riseOf(a))[0];
  if (worst === undefined) return [];
  const rise = known.reduce((sum, each) => Math.max(sum, riseOf(each)), 0);
  const commits = total(view, instances, 'mysql_global_status_commands_total', { command: 'commit' });
  const share = rise / Math.max(1, commits?.now ?? 1);
  const shareBefore = (worst.before || 0) / Math.max(1, commits?.before || 1);
  // More work has more conflicts; it is the rows when a larger share of it has.
  const denser = shareBefore === 0 ? 1 : grade(share / shareBefore, 1, 1.8);
  const strength =
    0.9 *
    denser *
    Math.max(grade(rise, 2, 12), grade(share, 0.02, 0.15)) *
    grade(factorFromNone(worst, 0.5), 1.8, 4) *
    grade(rise, 0.3, 2);
  const text = `${numberWith(worst.now, 'transactions/s')} are refused because another one changed the same rows (before ${numberWith(worst.before, '/s')})`;
  if (strength < 0.1) return [detailFinding(service, 'hot row conflicts', 0, text)];
  return [detailFinding(service, 'hot row conflicts', strength, text, [said('conflicts', worst, '/s')])];
};

const connections = (view: View, instance: Entity): readonly Finding[] => {
  const open =
    view.read(instance, 'mysql_global_status_threads_connected') ?? view.read(instance, 'pg_stat_activity_count');
  const most = view.latest(instance, 'mysql_global_variables_max_connections');
  const refused = view.read(instance, 'mysql_global_status_connection_errors_total', { error: 'max_connections' });
  const running = view.read(instance, 'mysql_global_status_threads_running');
  if (open === undefined || Number.isNaN(open.now)) return [];
  const share = most === undefined || !(most > 0) ? 0 : open.now / most;
  const idle = 1 - 0.5 * grade((running?.now ?? 0) / Math.max(1, open.now), 0.3, 0.8);
  const strength = Math.max(
    0.9 * grade(share, 0.85, 0.98) * grade(factorOf(open, 2), 1.1, 1.5),
    0.95 * grade(riseOf(refused), 0.1, 2),
    0.35 * grade(factorOf(open, 5), 2, 5) * idle,
  );
  const text = `${numberWith(open.now, '')} of ${most ?? 'an unknown number of'} connections are taken (before ${numberWith(open.before, '')})`;
  if (strength < 0.1) return [detailFinding(instance, 'connections exhausted', 0, text)];
  return [
    detailFinding(instance, 'connections exhausted', strength, text, [
      said('connections', open, ''),
      refused === undefined ? undefined : said('refused for want of a connection', refused, '/s'),
    ]),
  ];
};

const applier = (view: View, instance: Entity): readonly Finding[] => {
  const queue = view.read(instance, 'mysql_global_status_wsrep_local_recv_queue');
  const sent = view.read(instance, 'mysql_global_status_wsrep_flow_control_sent');
  const paused = view.graph.instances.flatMap((other) =>
    other.place.service === instance.place.service
      ? (view.read(other, 'mysql_global_status_wsrep_flow_control_paused_ns') ?? [])
      : [],
  );
  if (queue === undefined) return [];
  const seen = queue.values.subarray(view.onset, view.end).filter((value) => Number.isFinite(value));
  if (seen.length === 0) return [];
  const stopped = Math.max(0, ...paused.map((each) => riseOf(each) / 1e9));
  const most = Math.max(...seen);
  // An instance that was taken out of flow control (desynchronised, state 2) stops nobody, and falls behind without end.
  const behind = grade(most, 60, 200) * (view.last(instance, 'mysql_global_status_wsrep_local_state') === 2 ? 1 : 0.8);
  const strength = Math.max(
    0.9 *
      grade(most - (queue.before || 0), 8, 60) *
      (0.3 + 0.7 * Math.max(grade(stopped, 0.02, 0.3), grade(riseOf(sent), 0, 1), behind)),
    0.6 * grade(riseOf(sent), 0.2, 2),
  );
  const text = `${numberWith(most, 'write sets')} wait to be applied (before ${numberWith(queue.before, '')}), and the group is stopped ${numberWith(stopped, '%')} of the time`;
  if (strength < 0.1)
    return [detailFinding(instance, 'slow applier', 0, `its queue of write sets is at ${numberWith(most, '')}`)];
  return [
    detailFinding(instance, 'slow applier', strength, text, [
      said('write sets waiting', queue, ''),
      sent === undefined ? undefined : said('flow control sent', sent, '/s'),
    ]),
  ];
};
