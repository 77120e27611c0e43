/**
 * Which of the entities are gone, and how: crashed, stopped, frozen, cut off, lost with the site. Concluded from who answers whom
 * (`reach.ts`) and from what the dying said; signals that merely got worse are not looked at here.
 */
import type { Evidence } from '@coequal/contract';
import type { CauseName } from '../../causes.ts';
import { either, type Finding, grade } from '../../incident/finding.ts';
import type { Entity } from '../../incident/graph.ts';
import { changesAt, linesAt } from '../../incident/occurrences.ts';
import type { View } from '../../incident/view.ts';
import type { GatewayAccount, InstanceAccount, Reach, SiteAccount } from './reach.ts';

/** A collector that took so long came to its deadline: nothing answered it. */
const silentSeconds = 0.5;
const stopLines = /normal shutdown|shutdown complete|received shutdown|initiated by|starting shutdown/i;
const crashLines =
  /signal (6|11|<\*>) ;|got signal|assertion failure|mysqld got|mariadbd got|crash recovery|was not shut down/i;

export const lossFindings = (view: View, reach: Reach): readonly Finding[] => {
  const sites = reach.sites.flatMap((account) => siteFindings(view, reach, account));
  const instances = reach.instances.flatMap((account) => instanceFindings(view, reach, account));
  const gateways = reach.gateways.flatMap((account) => gatewayFindings(view, reach, account));
  return [...sites, ...instances, ...gateways];
};

const finding = (
  entity: Entity,
  cause: CauseName,
  strength: number,
  text: string,
  evidence: readonly Evidence[] = [],
): Finding => ({ witness: 'structure', cause, place: entity.place, strength, text, evidence });

const seenText = (counts: ReadonlyMap<string, number>): string =>
  [...counts]
    .map(([state, count]) => `${count} ${count === 1 ? 'gateway sees' : 'gateways see'} it ${state}`)
    .join(', ');

const upEvidence = ({ instance }: InstanceAccount): Evidence => ({
  text: `mysql_up of ${instance.name} is 0 (before 1)`,
  signal: { name: 'mysql_up', labels: { instance: instance.name } },
});

const instanceFindings = (view: View, reach: Reach, account: InstanceAccount): readonly Finding[] => {
  const { instance, own, seen, wasUp } = account;
  const host = instance.place.host ?? '';
  const restarted = restartedSince(view, instance);
  const crash = linesAt(view, instance.place, crashLines).length > 0;
  const stops = [
    ...changesAt(view, instance.place, ['stop']).map(({ text }) => text),
    ...linesAt(view, instance.place, stopLines).map(({ template }) => template),
  ];
  if (own === 'answers' && !restarted)
    return [
      finding(instance, 'instance crashed', 0, 'it answers and has not begun anew'),
      finding(instance, 'instance frozen', 0, 'it answers'),
    ];
  if (own === 'never' || !reach.hostHeard(host) || (!wasUp && !restarted)) return [];
  const evidence = own === 'answers' ? [] : [upEvidence(account)];
  const told = seen.size === 0 ? '' : `; ${seenText(seen)}`;
  if (stops.length > 0 && !crash)
    return [
      finding(instance, 'instance stopped', 0.97, `it was shut down in order${told}`, evidence),
      finding(instance, 'instance crashed', 0, 'it said that it was shut down in order'),
    ];
  const refused = seen.get('gone') ?? 0;
  const silent = seen.get('silent') ?? 0;
  const slow = account.asked !== undefined && account.asked >= silentSeconds;
  const quick = account.asked !== undefined && account.asked < silentSeconds / 2;
  if (own === 'answers')
    return [finding(instance, 'instance crashed', crash ? 0.95 : 0.8, 'it began anew without having been stopped', [])];
  const serving = (seen.get('serving') ?? 0) + (seen.get('slow') ?? 0);
  // A collector that is late on a crowded machine is no database that is frozen, as long as gateways are served by it.
  const certain = serving > silent ? 0.25 : slow && (silent > 0 || seen.size === 0) ? 0.95 : 0.85;
  // Several at once that are only not heard of: it is the listener that is late.
  const alone = reach.instances.filter((each) => each.own === 'unheard' && each.wasUp).length <= 1;
  const frozen =
    refused === 0 && (slow || silent > 0)
      ? certain
      : own === 'unheard' && refused === 0
        ? Math.min(alone ? 0.5 : 0.15, certain)
        : 0;
  // Both at once is a process that ended while somebody still waited for it.
  if (frozen > 0 && !(refused > 0 && (quick || account.asked === undefined)))
    return [
      finding(instance, 'instance frozen', frozen, `its host answers, it does not${told}`, evidence),
      finding(instance, 'instance crashed', 0, 'its port still takes connections'),
    ];
  return [
    finding(instance, 'instance crashed', crash ? 0.97 : 0.9, `its host answers and its port refuses${told}`, evidence),
    finding(instance, 'instance frozen', 0, 'its port refuses at once'),
    finding(instance, 'instance stopped', 0.05, 'nothing says that it was shut down in order'),
  ];
};

const restartedSince = (view: View, instance: Entity): boolean => {
  const uptime = view.last(instance, 'mysql_global_status_uptime');
  return uptime !== undefined && uptime + 2 < view.end - view.onset;
};

const gatewayFindings = (view: View, reach: Reach, account: GatewayAccount): readonly Finding[] => {
  const { gateway, state, scrapeSeconds } = account;
  const began = view.last(gateway, 'coequal_gateway_start_time_seconds');
  const anew = began !== undefined && began * 1_000 > view.onsetMs - 3_000 && view.onset > 10;
  if (state === 'answers' && !anew) return [finding(gateway, 'gateway crashed', 0, 'it answers')];
  if (state === 'never' || !reach.hostHeard(gateway.place.host ?? '')) return [];
  const stops = [
    ...changesAt(view, gateway.place, ['stop']),
    ...linesAt(view, gateway.place, /gateway-ended|ended in order/i),
  ];
  const evidence: readonly Evidence[] =
    state === 'answers'
      ? []
      : [
          {
            text: `the metrics of ${gateway.name} ended`,
            signal: { name: 'coequal_gateway_workers', labels: { instance: gateway.name } },
          },
        ];
  if (stops.length > 0)
    return [
      finding(gateway, 'gateway stopped', 0.95, 'it was stopped in order', evidence),
      finding(gateway, 'gateway crashed', 0, 'it said that it was stopped in order'),
    ];
  if (state === 'answers')
    return [finding(gateway, 'gateway crashed', 0.8, 'it began anew without having been stopped')];
  if (scrapeSeconds !== undefined && scrapeSeconds >= silentSeconds)
    return [
      finding(gateway, 'gateway frozen', 0.93, 'its port takes connections and does not answer', evidence),
      finding(gateway, 'gateway crashed', 0, 'its port still takes connections'),
    ];
  return [
    finding(gateway, 'gateway crashed', 0.85, 'its host answers and its port refuses', evidence),
    finding(gateway, 'gateway frozen', 0, 'its port refuses at once'),
    finding(gateway, 'gateway stopped', 0.1, 'nothing says that it was stopped in order'),
  ];
};

const isAway = ({ own, wasUp }: InstanceAccount): boolean => wasUp && own !== 'answers';

const siteFindings = (view: View, reach: Reach, account: SiteAccount): readonly Finding[] => {
  const { site, instances, gateways, agents, agentsHeard } = account;
  const members = instances.filter(({ own }) => own !== 'never');
  const left = [...reach.shrunk.values()].some((by) => by > 0);
  if (agents > 0 && agentsHeard === 0) return silentSite(view, reach, account, left);
  const isolated = members.filter((each) => each.isolated);
  const away = members.filter(isAway);
  const gatewaysAway = gateways.filter(({ state }) => state === 'down' || state === 'unheard');
  if (members.length > 0 && isolated.length > 0 && isolated.length + away.length === members.length)
    return cutOff(
      view,
      site,
      isolated,
      reach.instances.every((each) => each.own !== 'answers' || each.isolated),
    );
  const everything = away.length > 0 && away.length === members.length;
  if (everything && gateways.length > 0 && gatewaysAway.length === gateways.length)
    return [
      finding(
        site,
        'site lost',
        0.93,
        `its ${members.length === 1 ? 'instance' : 'instances'} and its ${gateways.length} gateways are gone together`,
        away.map(upEvidence),
      ),
    ];
  const evidence = members.length > 0 ? 'its instances are members of the majority' : 'nothing says so';
  return [
    finding(site, 'site cut off', 0, everything ? 'its host is heard' : evidence),
    finding(site, 'site lost', 0, 'its agents are heard and not all of its processes are gone'),
  ];
};

/** Nobody of the site is heard: it is lost, or cut off together with its agents; how others miss it decides. */
const silentSite = (view: View, reach: Reach, account: SiteAccount, left: boolean): readonly Finding[] => {
  const { site, instances } = account;
  const heardSites = reach.sites.filter(({ agentsHeard }) => agentsHeard > 0);
  const here = heardSites.find(({ instances: own }) => own.length > 0 && own.every(({ isolated }) => isolated));
  if (here !== undefined)
    return [
      finding(site, 'site lost', 0, `${here.site.name} is cut off: this site is well as far as is known`),
      finding(here.site, 'site cut off', 0.9, 'it hears nothing of the others, and its instances lost the majority'),
    ];
  const seen = instances.flatMap(({ seenFromAfar }) => [...seenFromAfar]);
  const count = (wanted: readonly string[]): number =>
    seen.reduce((sum, [state, each]) => sum + (wanted.includes(state) ? each : 0), 0);
  const [gone, silent, well] = [
    count(['gone', 'stopped']),
    count(['silent', 'isolated']),
    count(['serving', 'catching-up']),
  ];
  const stale = well > 0 && gone + silent === 0;
  if (stale && !left)
    return [
      finding(site, 'site cut off', 0.3, 'its agents are not heard, and the gateways of other sites still reach it'),
      finding(site, 'site lost', 0, 'gateways of other sites still reach it'),
    ];
  const evidence: readonly Evidence[] = [
    { text: `nothing was heard of the agents of ${site.name} for ${silentText(view, account)} s` },
    ...(left
      ? [{ text: 'the group became smaller', signal: { name: 'mysql_global_status_wsrep_cluster_size', labels: {} } }]
      : []),
  ];
  if (gone > silent) {
    const text = 'its agents are silent, and its addresses refuse connections: its processes are gone';
    return [
      finding(site, 'site lost', 0.9, text, evidence),
      finding(site, 'site cut off', 0.1, 'its addresses answer, with a refusal'),
    ];
  }
  const text = 'its agents are silent, the group went on without it, and nothing at its addresses answers';
  return [
    finding(site, 'site cut off', 0.85, text, evidence),
    finding(site, 'site lost', 0.3, 'from outside it would look the same as cut off', evidence),
  ];
};

const silentText = (view: View, { site }: SiteAccount): number => {
  const hosts = view.graph.hosts.filter(({ place }) => place.site === site.name);
  const shortest = Math.min(...hosts.map((host) => view.silentFor(host)));
  return Number.isFinite(shortest) ? shortest : 0;
};

/** @param nobody holds a majority: then it is not this site that is cut off, the group has fallen apart */
const cutOff = (
  view: View,
  site: Entity,
  isolated: readonly InstanceAccount[],
  nobody: boolean,
): readonly Finding[] => {
  const evidence = isolated.map(({ instance }) => ({
    text: `wsrep_cluster_status of ${instance.name} is 0: it sees no majority`,
    signal: { name: 'mysql_global_status_wsrep_cluster_status', labels: { instance: instance.name } },
  }));
  const names = isolated.map(({ instance }) => instance.name).join(', ');
  const hears = either(...isolated.map(({ instance }) => stillHears(view, instance)));
  const text = `${names} ${isolated.length === 1 ? 'lives' : 'live'} and lost the majority`;
  return [
    finding(site, 'site cut off', (nobody ? 0.3 : 0.92) * (1 - 0.5 * hears), text, evidence),
    finding(
      site,
      'one-way partition',
      hears * (nobody ? 0.3 : 0.95),
      hears > 0 ? `${text}, while packets of the others still arrive` : 'nothing arrives from the others',
      evidence,
    ),
    ...isolated.map(({ instance }) => finding(instance, 'instance crashed', 0, 'it lives and answers')),
  ];
};

/**
 * Who is cut off both ways knocks and hears nothing. Who is still heard of by nobody but hears the others gets their knocking, answers,
 * and has to repeat every answer (SYN-ACKs), because none arrives.
 */
const stillHears = (view: View, instance: Entity): number => {
  const host = view.graph.entities.get(`host:${instance.place.host}`);
  const repeated = host === undefined ? undefined : view.read(host, 'node_netstat_TcpExt_TCPSynRetrans');
  if (repeated === undefined || Number.isNaN(repeated.now)) return 0;
  return grade(repeated.now - (repeated.before || 0), 1, 3);
};
