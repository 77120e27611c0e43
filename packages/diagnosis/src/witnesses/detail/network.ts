/** What the ways between sites do: round trips that agents and databases measure, and packets that had to be sent again. */
import { type Finding, grade, numberWith, said } from '../../incident/finding.ts';
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
      const now = shortest(reading.values.subarray(view.onset, view.end));
      const before = reading.before;
      return Number.isFinite(now) && Number.isFinite(before)
        ? [{ a, b, reading: { ...reading, now }, slower: now - before }]
        : [];
    }),
  );

const shortest = (values: Float64Array): number =>
  values.reduce((least, value) => (Number.isFinite(value) ? Math.min(least, value) : least), Number.POSITIVE_INFINITY);

const groupLatency = 'mysql_galera_evs_repl_latency_avg_seconds';

const latency = (view: View): readonly Finding[] => {
  const pairs = pairsOf(view);
  const groups = view.graph.instances.flatMap((instance) => view.read(instance, groupLatency) ?? []);
  const slowerGroup = Math.max(0, ...groups.map(({ now, before }) => (now || 0) - (before || 0)));
  return view.graph.sites.flatMap((site) => {
    const own = pairs.filter(({ a, b }) => a === site.name || b === site.name);
    const rest = pairs.filter((pair) => !own.includes(pair));
    if (own.length === 0) return [];
    const least = Math.min(...own.map(({ slower }) => slower));
    const elsewhere = Math.max(0, ...rest.map(({ slower }) => slower));
    const strength =
      0.95 *
      grade(least, 0.003, 0.012) *
      (rest.length === 0 ? 0.7 : 1 - 0.8 * grade(elsewhere / Math.max(least, 1e-6), 0.3, 0.9));
    const slowest = own.toSorted((x, y) => y.slower - x.slower)[0];
    if (slowest === undefined) return [];
    const text = `round trips to the other sites take ${numberWith(slowest.reading.now, 's')} (before ${numberWith(slowest.reading.before, 's')})`;
    if (strength < 0.1) return [detailFinding(site, 'network latency', 0, text)];
    return [
      detailFinding(site, 'network latency', strength, text, [
        said('round trip', slowest.reading, 's'),
        ...groups.slice(0, slowerGroup > 0.003 ? 2 : 0).map((each) => said('group message delivered', each, 's')),
      ]),
    ];
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
