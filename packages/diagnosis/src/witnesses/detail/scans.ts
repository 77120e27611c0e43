/**
 * Rows that are read one after the other, by the servers' own counters: what no list of statements shows when the statements are many and
 * each is quick. Many more of them for the same requests at all instances is an index that is missing; at one, a statement that only it runs.
 */
import { type Finding, factorOf, grade, numberWith, said } from '../../incident/finding.ts';
import type { Entity } from '../../incident/graph.ts';
import type { Reading, View } from '../../incident/view.ts';
import { detailFinding } from './host.ts';

/** Rows a second that cost something. */
const [fewRows, manyRows] = [20_000, 150_000];
const handlers = ['read_next', 'read_prev', 'read_rnd_next'] as const;

type Scan = { readonly instance: Entity; readonly reading: Reading; readonly share: number };

export const scanFindings = (view: View): readonly Finding[] =>
  view.graph.services.flatMap((service) => {
    const members = view.graph.instances.filter(({ place }) => place.service === service.name);
    const scans = members.flatMap((instance) => scanOf(view, instance) ?? []);
    const worst = scans.toSorted((a, b) => b.share - a.share)[0];
    if (worst === undefined) return [];
    const text = `${numberWith(worst.reading.now, 'rows/s')} are read one after the other (before ${numberWith(worst.reading.before, '/s')})`;
    if (worst.share < 0.1) return [detailFinding(service, 'missing index', 0, text)];
    const evidence = [said('rows read one after the other', worst.reading, '/s')];
    const others = scans.filter(({ share }) => share > worst.share / 2).length;
    return members.length > 1 && others < 2
      ? [
          detailFinding(worst.instance, 'expensive statement', 0.5 * worst.share, text, evidence),
          detailFinding(service, 'missing index', 0.2 * worst.share, text, evidence),
        ]
      : [
          detailFinding(
            service,
            'missing index',
            0.75 * worst.share,
            `${text}, at ${others} instances, for no more requests`,
            evidence,
          ),
        ];
  });

/** How much more an instance scans than its requests explain. */
const scanOf = (view: View, instance: Entity): Scan | undefined => {
  const read = handlers.flatMap(
    (handler) => view.read(instance, 'mysql_global_status_handlers_total', { handler }) ?? [],
  );
  const first = read[0];
  if (first === undefined) return undefined;
  const sum = first.values.map((value, row) =>
    read.slice(1).reduce((all, { values }) => all + (Number.isFinite(values[row]) ? (values[row] ?? 0) : 0), value),
  );
  const reading = view.readingOf(
    'mysql_global_status_handlers_total',
    { ...first.labels, handler: handlers.join('|') },
    sum,
  );
  const asked = Math.max(1, factorOf(view.read(instance, 'mysql_global_status_questions'), 20));
  const share = grade(reading.now, fewRows, manyRows) * grade(factorOf(reading, fewRows / 10) / asked, 4, 12);
  return { instance, reading, share };
};
