/**
 * Where did it begin? Each entity has a few indicators (traffic, saturation, latency, errors), and each indicator has parents in the
 * estate's graph: gateways ask instances, instances load hosts and wait for one another. A ridge regression on the time before the
 * onset says what the parents and its own past explain; what they do not explain when it began is the entity's own.
 */
import type { Entity } from '../../incident/graph.ts';
import type { View } from '../../incident/view.ts';
import { clamp, robustOf } from '../../statistics.ts';

/** By entity key, 0 to 1: how much of what the entity shows its parents leave unexplained, by the entity that shows most. */
export type Origins = ReadonlyMap<string, number>;

type Indicator = { readonly entity: Entity; readonly values: Float64Array; readonly parents: readonly Float64Array[] };

const trainingRows = 120;
/** Fewer rows than this teach nothing. */
const leastRows = 25;
/** The seconds around the onset in which what is unexplained counts. */
const [before, after] = [1, 6];
const ridge = 1;
const manyDeviations = 40;

export const originsOf = (view: View): Origins => {
  const scores = new Map<string, number>();
  for (const { entity, values, parents } of indicatorsOf(view)) {
    const left = unexplained(values, parents, view.onset, view.end);
    scores.set(entity.key, Math.max(scores.get(entity.key) ?? 0, left));
  }
  const most = Math.max(...scores.values(), 1);
  return new Map([...scores].map(([key, score]) => [key, score / most]));
};

const indicatorsOf = (view: View): readonly Indicator[] => {
  const read = (entity: Entity, name: string): Float64Array | undefined => view.read(entity, name)?.values;
  const present = (columns: readonly (Float64Array | undefined)[]): readonly Float64Array[] =>
    columns.filter((column) => column !== undefined);
  const traffic = (gateway: Entity) => read(gateway, 'coequal_gateway_user_requests_total');
  const questions = (instance: Entity) => read(instance, 'mysql_global_status_questions');
  const running = (instance: Entity) => read(instance, 'mysql_global_status_threads_running');
  const queued = (instance: Entity) => read(instance, 'mysql_global_status_wsrep_local_recv_queue');
  const paused = (instance: Entity) => read(instance, 'mysql_global_status_wsrep_flow_control_paused_ns');
  const locked = (instance: Entity) => read(instance, 'mysql_global_status_innodb_row_lock_time');
  const pressure = (host: Entity) =>
    present(['cpu', 'io', 'memory'].map((kind) => read(host, `node_pressure_${kind}_waiting_seconds_total`)));
  const { instances, gateways, hosts } = view.graph;
  const found: Indicator[] = [];
  const add = (
    entity: Entity,
    values: Float64Array | undefined,
    parents: readonly (Float64Array | undefined)[],
  ): void => {
    if (values !== undefined) found.push({ entity, values, parents: present(parents).slice(0, mostParents) });
  };
  for (const host of hosts) {
    const own = instances.filter(({ place }) => place.host === host.name);
    for (const values of pressure(host)) add(host, values, own.map(questions));
  }
  for (const instance of instances) {
    const host = view.graph.entities.get(`host:${instance.place.host}`);
    const peers = instances.filter((other) => other !== instance && other.place.service === instance.place.service);
    const asked = gateways.filter(({ place }) => place.site === instance.place.site).map(traffic);
    add(instance, questions(instance), asked);
    add(instance, running(instance), [
      questions(instance),
      ...peers.map(queued),
      ...(host === undefined ? [] : pressure(host)),
    ]);
    add(instance, queued(instance), [...peers.map(questions), ...(host === undefined ? [] : pressure(host))]);
    add(instance, paused(instance), peers.map(queued));
    add(instance, locked(instance), [questions(instance), ...peers.map(queued)]);
  }
  for (const gateway of gateways) {
    const near = instances.filter(({ place }) => place.site === gateway.place.site);
    add(gateway, traffic(gateway), near.map(running));
    add(
      gateway,
      view.ratio(gateway, 'coequal_gateway_user_request_seconds_sum', 'coequal_gateway_user_request_seconds_count')
        ?.values,
      [...near.map(running), ...near.map(locked), ...near.map(paused)],
    );
  }
  return found;
};

const mostParents = 5;

/** Log of the deviations that nothing explains in the seconds when it began. */
const unexplained = (values: Float64Array, parents: readonly Float64Array[], onset: number, end: number): number => {
  const from = Math.max(1, onset - trainingRows);
  const last = Math.min(end, onset + after);
  const scales = [values, ...parents].map((column) => {
    const { median, scale } = robustOf(column.subarray(from, Math.max(from, onset - 1)));
    return { median, unit: Math.max(scale, Math.abs(median) * 0.05, 1e-9) };
  });
  const scaled = (column: Float64Array, which: number, row: number): number => {
    const { median = Number.NaN, unit = 1 } = scales[which] ?? {};
    return clamp(((column[row] ?? Number.NaN) - median) / unit, manyDeviations);
  };
  const features = (row: number): readonly number[] => [
    1,
    scaled(values, 0, row - 1),
    ...parents.map((parent, index) => scaled(parent, index + 1, row)),
  ];
  const rows: { readonly x: readonly number[]; readonly y: number }[] = [];
  for (let row = from; row < onset - before; row += 1) {
    const y = scaled(values, 0, row);
    const x = features(row);
    if (Number.isFinite(y) && x.every(Number.isFinite)) rows.push({ x, y });
  }
  if (rows.length < leastRows) return 0;
  const weights = ridgeRegression(rows);
  const residual = (x: readonly number[], y: number): number =>
    y - x.reduce((sum, value, index) => sum + value * (weights[index] ?? 0), 0);
  const { scale } = robustOf(rows.map(({ x, y }) => residual(x, y)));
  let most = 0;
  for (let row = Math.max(from, onset - before); row < last; row += 1) {
    const y = scaled(values, 0, row);
    // A parent that fell silent explains nothing, and hides nothing either.
    const x = features(row).map((value) => (Number.isFinite(value) ? value : 0));
    if (Number.isFinite(y)) most = Math.max(most, Math.abs(residual(x, y)) / Math.max(scale, 0.5));
  }
  return Math.log1p(Math.max(0, most - 2));
};

/** (XᵀX + λ)⁻¹ Xᵀy by Gauss and Jordan; the few columns make it cheap, the ridge makes it solvable. */
const ridgeRegression = (rows: readonly { readonly x: readonly number[]; readonly y: number }[]): readonly number[] => {
  const size = rows[0]?.x.length ?? 0;
  const system = Array.from({ length: size }, () => new Float64Array(size + 1));
  for (const { x, y } of rows)
    for (let i = 0; i < size; i += 1) {
      const line = system[i];
      if (line === undefined) continue;
      for (let j = 0; j < size; j += 1) line[j] = (line[j] ?? 0) + (x[i] ?? 0) * (x[j] ?? 0);
      line[size] = (line[size] ?? 0) + (x[i] ?? 0) * y;
    }
  for (let i = 0; i < size; i += 1) {
    const line = system[i] ?? new Float64Array(size + 1);
    line[i] = (line[i] ?? 0) + ridge;
  }
  for (let pivot = 0; pivot < size; pivot += 1) {
    const line = system[pivot] ?? new Float64Array(size + 1);
    const divisor = line[pivot] ?? 1;
    for (let column = 0; column <= size; column += 1) line[column] = (line[column] ?? 0) / divisor;
    for (const [index, other] of system.entries()) {
      if (index === pivot) continue;
      const factor = other[pivot] ?? 0;
      for (let column = 0; column <= size; column += 1)
        other[column] = (other[column] ?? 0) - factor * (line[column] ?? 0);
    }
  }
  return system.map((line) => line[size] ?? 0);
};
