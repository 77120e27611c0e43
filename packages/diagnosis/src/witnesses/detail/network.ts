/** What the ways between sites do: round trips that agents and databases measure, and packets that had to be sent again. */
import { type Finding, factorOf, grade, numberWith, said } from '../../incident/finding.ts';
import type { Entity } from '../../incident/graph.ts';
import type { Reading, View } from '../../incident/view.ts';
import { detailFinding } from './host.ts';

export const networkFindings = (view: View): readonly Finding[] => [...latency(view), ...loss(view)];

type Pair = { readonly a: string; readonly b: string; readonly slower: number; readonly reading: Reading };

/** Round trips between sites, by whoever measured them. */
const pairsOf = (view: View): readonly Pair[] =>
  view.graph.hosts.flatMap((host) =>
    (view.signalsOf(host.key).get('coequal_clock_round_trip_seconds') ?? []).flatMap(({ labels }) => {
      const { peer = '' } = labels;
      const other = view.graph.entities.get(`host:${peer}`) ?? view.graph.entities.get(`instance:${peer}`);
      const reading = view.read(host, 'coequal_clock_round_trip_seconds', { peer });
      const [a, b] = [host.place.site, other?.place.site];
      if (reading === undefined || a === undefined || b === undefined || a === b) return [];
      // A busy machine makes single round trips longer, and none shorter: the shortest is the way's.
      const now = shortest(reading.values.subarray(Math.max(view.onset, view.end - freshRows), view.end));
      const before = reading.before;
      return Number.isFinite(now) && Number.isFinite(before)
        ? [{ a, b, reading: { ...reading, now }, slower: now - before }]
        : [];
    }),
  );

/** An onset that was found too early must not let the way of before count. */
const freshRows = 10;

const shortest = (values: Float64Array): number =>
  values.reduce((least, value) => (Number.isFinite(value) ? Math.min(least, value) : least), Number.POSITIVE_INFINITY);

/**
 * What messages of the group take now. The server tells a mean since it began to count, which hardly moves; what came on top of it
 * between two readings is what is going on.
 */
const groupLatency = (view: View, instance: Entity): Reading | undefined => {
  const mean = view.read(instance, 'mysql_galera_evs_repl_latency_avg_seconds');
  const size = view.read(instance, 'mysql_galera_evs_repl_latency_sample_size');
  if (mean === undefined || size === undefined) return mean;
  const values = new Float64Array(mean.values.length).fill(Number.NaN);
  let [sumBefore, countBefore] = [Number.NaN, Number.NaN];
  for (let row = 0; row < values.length; row += 1) {
    const count = size.values[row] ?? Number.NaN;
    const sum = (mean.values[row] ?? Number.NaN) * count;
    if (!Number.isFinite(sum)) continue;
    if (count > countBefore && sum >= sumBefore) values[row] = (sum - sumBefore) / (count - countBefore);
    [sumBefore, countBefore] = [sum, count];
  }
  return view.readingOf(mean.name, mean.labels, values);
};

const latency = (view: View): readonly Finding[] => [
  ...view.graph.services.flatMap((service) => groupFindings(view, service)),
  ...siteLatency(view),
];

/** How far all members of a group agree that its messages take longer; undefined where no group tells. */
const groupSlower = (
  view: View,
  service: Entity,
): { readonly share: number; readonly told: readonly Reading[] } | undefined => {
  const told = view.graph.instances
    .filter(({ place }) => place.service === service.name)
    .flatMap((instance) => groupLatency(view, instance) ?? [])
    .filter(({ now, before }) => Number.isFinite(now) && Number.isFinite(before))
    .toSorted((a, b) => a.now - a.before - (b.now - b.before));
  // One member that is late itself is no slow way: the least of all rises counts.
  const least = told[0];
  if (least === undefined) return undefined;
  return { share: grade(least.now - least.before, 0.006, 0.025) * grade(factorOf(least, 0.002), 1.4, 2.2), told };
};

/** Every member waits for the slowest way, so the group says that there is one, and not where. */
const groupFindings = (view: View, service: Entity): readonly Finding[] => {
  const slower = groupSlower(view, service);
  const least = slower?.told[0];
  if (slower === undefined || least === undefined) return [];
  const strength = 0.75 * slower.share;
  const text = `messages of the group take ${numberWith(least.now, 's')} (before ${numberWith(least.before, 's')})`;
  return strength < 0.1
    ? [detailFinding(service, 'network latency', 0, text)]
    : [
        detailFinding(
          service,
          'network latency',
          strength,
          text,
          slower.told.map((each) => said('group message delivered', each, 's')),
        ),
      ];
};

/** What remains of slow round trips that the group knows nothing of: agents on crowded machines answer late. */
const unconfirmed = 0.3;

const siteLatency = (view: View): readonly Finding[] => {
  const pairs = pairsOf(view);
  const groups = view.graph.services.flatMap((service) => groupSlower(view, service) ?? []);
  const confirmed = groups.length === 0 ? 1 : Math.max(unconfirmed, ...groups.map(({ share }) => share));
  return view.graph.sites.flatMap((site) => {
    const own = pairs.filter(({ a, b }) => a === site.name || b === site.name);
    const rest = pairs.filter((pair) => !own.includes(pair));
    if (own.length === 0) return [];
    const least = Math.min(...own.map(({ slower }) => slower));
    const elsewhere = Math.max(0, ...rest.map(({ slower }) => slower));
    const strength =
      0.9 *
      confirmed *
      grade(least, 0.003, 0.012) *
      (rest.length === 0 ? 0.7 : 1 - 0.8 * grade(elsewhere / Math.max(least, 1e-6), 0.3, 0.9));
    const slowest = own.toSorted((x, y) => y.slower - x.slower)[0];
    if (slowest === undefined) return [];
    const text = `round trips to the other sites take ${numberWith(slowest.reading.now, 's')} (before ${numberWith(slowest.reading.before, 's')})`;
    if (strength < 0.1) return [detailFinding(site, 'network latency', 0, text)];
    const place = { ...site.place, ...(view.graph.services.length === 1 ? view.graph.services[0]?.place : {}) };
    return [detailFinding({ place }, 'network latency', strength, text, [said('round trip', slowest.reading, 's')])];
  });
};

const resent = (view: View, host: Entity): Reading | undefined =>
  view.ratio(host, 'node_netstat_Tcp_RetransSegs', 'node_netstat_Tcp_OutSegs');

const loss = (view: View): readonly Finding[] => {
  const bySite = view.graph.sites.flatMap((site) => {
    const readings = view.graph.hosts
      .filter(({ place }) => place.site === site.name)
      .flatMap((host) => resent(view, host) ?? [])
      .filter(({ values }) => values.length > 0);
    const worst = readings.toSorted((x, y) => meanNow(view, y) - meanNow(view, x))[0];
    return worst === undefined ? [] : [{ site, worst, share: meanNow(view, worst) }];
  });
  const most = Math.max(0, ...bySite.map(({ share }) => share));
  return bySite.map(({ site, worst, share }) => {
    const rise = share - (Number.isNaN(worst.before) ? 0 : worst.before);
    const strength = 0.9 * grade(rise, 0.003, 0.02) * (share / Math.max(most, 1e-9)) ** 2;
    const text = `${numberWith(share, '%')} of what it sends has to be sent again (before ${numberWith(worst.before, '%')})`;
    if (strength < 0.1) return detailFinding(site, 'packet loss', 0, text);
    return detailFinding(site, 'packet loss', strength, text, [said('segments sent again', worst, '%')]);
  });
};

/** Loss comes in bursts: its median may be 0 while its mean is not. */
const meanNow = (view: View, { values }: Reading): number => {
  const present = values
    .subarray(Math.max(view.onset, view.end - 12), view.end)
    .filter((value) => Number.isFinite(value));
  return present.length === 0 ? 0 : present.reduce((sum, value) => sum + value, 0) / present.length;
};
