/**
 * SHOW GLOBAL STATUS and SHOW GLOBAL VARIABLES of MySQL and MariaDB as points, with the names and labels of mysqld_exporter.
 * Rows in, points out; what is no number has no point, and what hundreds of versions may add is mapped by its shape.
 *
 * Source: mysqld_exporter's collectors global_status and global_variables, in behaviour.
 */

import { point } from '../database/points.ts';
import { parseNumber } from '../exposition/number.ts';
import { type Label, type Labels, labelsOf, type Point } from '../sample.ts';

/** A row of both statements: name and value, as text. */
export type NamedRow = readonly [name: string, value: string];

/** A server has some 600 status variables and as many settings; ten times that is no server. */
const rowLimit = 10_000;

/** Families that one row of many belongs to, by the beginning of its name. */
const statusFamilies = /^(com|handler|connection_errors|innodb_buffer_pool_pages|innodb_rows|performance_schema)_(.*)$/;
const prefix = 'mysql_global_status';

/** What a variable's name says, whatever its value: found once, because the same few hundred names come every second. */
type Meaning = { readonly name: string; readonly metric: string | undefined; readonly labels: Labels };
const meanings = new Map<string, Meaning>();
const meaningLimit = 5_000;

const meaningOf = (variable: string): Meaning => {
  const known = meanings.get(variable);
  if (known !== undefined) return known;
  if (meanings.size >= meaningLimit) meanings.clear();
  const found = findMeaning(variable);
  meanings.set(variable, found);
  return found;
};

const findMeaning = (variable: string): Meaning => {
  const name = metricPart(variable) ?? '';
  const [, family, rest = ''] = statusFamilies.exec(name) ?? [];
  const of = (metric: string | undefined, labels: readonly Label[] = []): Meaning => ({
    name,
    metric: name === '' || metric === undefined ? undefined : `${prefix}_${metric}`,
    labels: labelsOf(labels) ?? [],
  });
  switch (family) {
    case 'com':
      return of('commands_total', [['command', rest]]);
    case 'handler':
      return of('handlers_total', [['handler', rest]]);
    case 'connection_errors':
      return of('connection_errors_total', [['error', rest]]);
    case 'innodb_rows':
      return of('innodb_row_ops_total', [['operation', rest]]);
    case 'performance_schema':
      return of('performance_schema_lost_total', [['instrumentation', rest]]);
    case 'innodb_buffer_pool_pages':
      // States of pages are a gauge, `total` is their sum, and what else there is counts what was done with pages.
      if (rest === 'total') return of(undefined);
      if (rest === 'dirty') return of('buffer_pool_dirty_pages');
      return pageStates.has(rest)
        ? of('buffer_pool_pages', [['state', rest]])
        : of('buffer_pool_page_changes_total', [['operation', rest]]);
    default:
      return of(name);
  }
};

const pageStates: ReadonlySet<string> = new Set(['data', 'free', 'misc', 'old']);

export const readGlobalStatus = (rows: readonly NamedRow[]): readonly Point[] => {
  const points: Point[] = [];
  const texts = new Map<string, string>();
  for (const [variable, text] of rows.slice(0, rowLimit)) {
    const { name, metric, labels } = meaningOf(variable);
    if (name === '') continue;
    const value = parseServerValue(text);
    if (value === undefined) texts.set(name, text);
    else if (metric !== undefined) points.push({ name: metric, labels, value });
  }
  return [...points, ...galeraInfo(texts)];
};

const latencyParts = ['min', 'avg', 'max', 'stdev', 'sample_size'] as const;

/** What Galera says in texts: which cluster and state it is, its version, and how long group messages take. */
const galeraInfo = (texts: ReadonlyMap<string, string>): readonly Point[] => {
  const stateUuid = texts.get('wsrep_local_state_uuid');
  if (stateUuid === undefined || stateUuid === '') return [];
  const info = point(
    'mysql_galera_status_info',
    [
      ['wsrep_local_state_uuid', stateUuid],
      ['wsrep_cluster_state_uuid', texts.get('wsrep_cluster_state_uuid') ?? ''],
      ['wsrep_provider_version', texts.get('wsrep_provider_version') ?? ''],
    ],
    1,
  );
  const latencies = (texts.get('wsrep_evs_repl_latency') ?? '').split('/').map(parseNumber);
  if (latencies.length !== latencyParts.length) return [info];
  const found = latencyParts.flatMap((part, index) => {
    const value = latencies[index];
    const name = `mysql_galera_evs_repl_latency_${part}${part === 'sample_size' || part === 'stdev' ? '' : '_seconds'}`;
    return value === undefined ? [] : [point(name, [], value)];
  });
  return [info, ...found];
};

export const readGlobalVariables = (rows: readonly NamedRow[]): readonly Point[] => {
  const points: Point[] = [];
  const texts = new Map<string, string>();
  for (const [variable, text] of rows.slice(0, rowLimit)) {
    const name = metricPart(variable);
    if (name === undefined) continue;
    texts.set(name, text);
    const value = parseServerValue(text);
    if (value !== undefined) points.push(point(`mysql_global_variables_${name}`, [], value));
  }
  const labels: readonly Label[] = ['innodb_version', 'version', 'version_comment'].map((name) => [
    name,
    texts.get(name) ?? '',
  ]);
  points.push(point('mysql_version_info', labels, 1));
  const isolation = texts.get('transaction_isolation') ?? texts.get('tx_isolation');
  if (isolation !== undefined && isolation !== '')
    points.push(point('mysql_transaction_isolation', [['level', isolation]], 1));
  const cluster = texts.get('wsrep_cluster_name');
  if (cluster !== undefined && cluster !== '')
    points.push(point('mysql_galera_variables_info', [['wsrep_cluster_name', cluster]], 1));
  const cacheBytes = galeraCacheBytes(texts.get('wsrep_provider_options') ?? '');
  if (cacheBytes !== undefined) points.push(point('mysql_galera_gcache_size_bytes', [], cacheBytes));
  return points;
};

const sizeUnits = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 } as const;

/** `gcache.size = 128M` among the provider's options. */
const galeraCacheBytes = (options: string): number | undefined => {
  const [, digits, unit = ''] = /(?:^|;)\s*gcache\.size\s*=\s*(\d+)([KMGT]?)\s*(?:;|$)/.exec(options) ?? [];
  const factor = Object.entries(sizeUnits).find(([name]) => name === unit)?.[1];
  return digits === undefined || factor === undefined ? undefined : Number(digits) * factor;
};

const words: ReadonlyMap<string, number> = new Map([
  ['yes', 1],
  ['on', 1],
  ['primary', 1],
  ['no', 0],
  ['off', 0],
  ['disabled', 0],
  ['connecting', 0],
  ['non-primary', 0],
  ['disconnected', 0],
]);

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `Nov 25 17:49:10 2026 GMT` (when a certificate ends) or `2026-11-25 17:49:10`, as seconds since 1970. */
const timeOf = (text: string): number | undefined => {
  if (text.length < 19 || text.length > 24) return undefined;
  const [, month = '', day, clock, year] = /^([A-Z][a-z]{2}) (\d\d) (\d\d:\d\d:\d\d) (\d{4}) GMT$/.exec(text) ?? [];
  const date = year === undefined ? /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.exec(text)?.[0] : undefined;
  const number = String(months.indexOf(month) + 1).padStart(2, '0');
  const iso = year === undefined ? date?.replace(' ', 'T') : `${year}-${number}-${day}T${clock}`;
  const ms = iso === undefined ? Number.NaN : Date.parse(`${iso}Z`);
  return Number.isNaN(ms) ? undefined : ms / 1_000;
};

/** Numbers, switches and times; undefined for any other text. */
export const parseServerValue = (text: string): number | undefined => {
  // Nearly all of them are whole numbers.
  if (/^\d{1,15}$/.test(text)) return Number(text);
  const word = words.get(text.toLowerCase());
  if (word !== undefined) return word;
  const number = parseNumber(text);
  if (number !== undefined) return number;
  return timeOf(text);
};

/** As mysqld_exporter: small letters, and `_` for what no metric's name may have. */
const metricPart = (variable: string): string | undefined => {
  const name = variable.toLowerCase().replaceAll(/[^a-z0-9_]/g, '_');
  return name === '' || name.length > 200 ? undefined : name;
};
