/**
 * Prometheus rule files as they are: groups of alerting and recording rules. Everything that is wrong in a file is said at once,
 * each with its line; a file with a mistake gives no rules, because half of a rule file is a silence that nobody ordered.
 *
 * Source: prometheus.io/docs/prometheus/latest/configuration/recording_rules and alerting_rules.
 */
import { quoted } from '../sample.ts';
import { parseRuleDuration } from './duration.ts';
import { expressionFault } from './expression.ts';
import type { AlertingRule, RecordingRule, Rule, RuleGroup, RuleProblem } from './model.ts';
import { type Entry, type Node, readRuleSource } from './source.ts';
import { parseTemplate, type Template } from './template-parse.ts';

export type RuleFileResult =
  | { readonly ok: true; readonly groups: readonly RuleGroup[] }
  | { readonly ok: false; readonly problems: readonly RuleProblem[] };

/** More problems than anybody reads at once. */
const problemLimit = 100;

/** `file`: its name, for messages. */
export const parseRuleFile = (file: string, text: string): RuleFileResult => {
  const source = readRuleSource(text);
  if (!source.ok) return { ok: false, problems: source.faults.map((fault) => ({ file, ...fault })) };
  const reader = new RuleReader(file);
  const groups = reader.readFile(source.node);
  return reader.problems.length === 0 ? { ok: true, groups } : { ok: false, problems: reader.problems };
};

/** `rules.yml:12: what`, the shape that editors and terminals turn into links. */
export const formatRuleProblem = ({ file, line, what }: RuleProblem): string => `${file}:${line}: ${what}.`;

const groupKeys = ['name', 'interval', 'query_offset', 'limit', 'labels', 'rules'] as const;
const ruleKeys = ['alert', 'record', 'expr', 'for', 'keep_firing_for', 'labels', 'annotations'] as const;

type Fields = { readonly line: number; readonly at: (key: string) => Entry | undefined };

class RuleReader {
  readonly problems: RuleProblem[] = [];
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  #say(line: number, what: string): void {
    if (this.problems.length < problemLimit) this.problems.push({ file: this.#file, line, what });
  }

  readFile(node: Node): readonly RuleGroup[] {
    const fields = this.#fields(node, 'the file', ['groups']);
    const groups = this.#list(fields?.at('groups'), 'groups').map((group) => this.#readGroup(group));
    const seen = new Set<string>();
    return groups.flatMap((read) => {
      if (read === undefined) return [];
      if (seen.has(read.group.name)) this.#say(read.line, `the group ${quoted(read.group.name)} is there twice`);
      seen.add(read.group.name);
      return [read.group];
    });
  }

  #readGroup(node: Node): { readonly group: RuleGroup; readonly line: number } | undefined {
    const fields = this.#fields(node, 'a group', groupKeys);
    if (fields === undefined) return undefined;
    const name = this.#text(fields.at('name'));
    if (name === undefined || name === '') this.#say(fields.line, 'the group has no name');
    const intervalMs = this.#duration(fields.at('interval'));
    const common = this.#labels(fields.at('labels'), true);
    const group: RuleGroup = {
      name: name ?? '',
      // Zero is Prometheus' word for the usual.
      intervalMs: intervalMs === 0 ? undefined : intervalMs,
      queryOffsetMs: this.#duration(fields.at('query_offset')),
      limit: this.#count(fields.at('limit')),
      rules: this.#list(fields.at('rules'), 'rules').flatMap((rule) => this.#readRule(rule, common)),
    };
    return { group, line: fields.line };
  }

  #readRule(node: Node, common: ReadonlyMap<string, Entry>): readonly Rule[] {
    const fields = this.#fields(node, 'a rule', ruleKeys);
    if (fields === undefined) return [];
    const [alert, record, expr] = [fields.at('alert'), fields.at('record'), fields.at('expr')];
    if ((alert === undefined) === (record === undefined)) {
      this.#say(fields.line, 'a rule has either alert or record');
      return [];
    }
    const expression = this.#text(expr) ?? '';
    const fault = expr === undefined ? 'the rule has no expr' : expressionFault(expression);
    if (fault !== undefined) this.#say(expr?.line ?? fields.line, fault);
    const rule = { expr: expression, line: fields.line };
    const labels = new Map([...common, ...this.#labels(fields.at('labels'), true)]);
    return [
      alert !== undefined
        ? this.#readAlert(alert, fields, labels, rule)
        : this.#readRecord(record, fields, labels, rule),
    ];
  }

  #readAlert(
    alert: Entry,
    fields: Fields,
    labels: ReadonlyMap<string, Entry>,
    rule: Pick<AlertingRule, 'expr' | 'line'>,
  ): AlertingRule {
    const name = this.#text(alert) ?? '';
    if (name === '') this.#say(alert.line, 'the alert has no name');
    return {
      kind: 'alerting',
      alert: name,
      ...rule,
      forMs: this.#duration(fields.at('for')),
      keepFiringForMs: this.#duration(fields.at('keep_firing_for')),
      labels: this.#templates(labels),
      annotations: this.#templates(this.#labels(fields.at('annotations'), false)),
    };
  }

  #readRecord(
    record: Entry | undefined,
    fields: Fields,
    labels: ReadonlyMap<string, Entry>,
    rule: Pick<RecordingRule, 'expr' | 'line'>,
  ): RecordingRule {
    const name = this.#text(record) ?? '';
    if (!/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name))
      this.#say(record?.line ?? fields.line, `${quoted(name)} cannot be the name of a metric`);
    for (const key of ['for', 'keep_firing_for', 'annotations']) {
      const entry = fields.at(key);
      if (entry !== undefined) this.#say(entry.line, `a recording rule has no ${key}`);
    }
    const texts = new Map([...labels].map(([label, entry]) => [label, this.#text(entry) ?? '']));
    return { kind: 'recording', record: name, ...rule, labels: texts };
  }

  #fields(node: Node, what: string, known: readonly string[]): Fields | undefined {
    if (node.kind !== 'map') {
      this.#say(node.line, `${what} is a map of ${known.join(', ')}`);
      return undefined;
    }
    for (const { key, line } of node.entries)
      if (!known.includes(key)) this.#say(line, `${what} has no ${quoted(key)}; it has ${known.join(', ')}`);
    return { line: node.line, at: (key) => node.entries.find((entry) => entry.key === key) };
  }

  /** Left out or empty it is an empty list, as in Prometheus. */
  #list(entry: Entry | undefined, what: string): readonly Node[] {
    if (entry === undefined || entry.value.kind === 'nothing') return [];
    if (entry.value.kind === 'list') return entry.value.items;
    this.#say(entry.line, `${what} is a list`);
    return [];
  }

  #text(entry: Entry | undefined): string | undefined {
    if (entry === undefined) return undefined;
    if (entry.value.kind === 'text' || entry.value.kind === 'number') return entry.value.text;
    if (entry.value.kind !== 'nothing') this.#say(entry.line, `${quoted(entry.key)} is a text`);
    return undefined;
  }

  /** Zero where nothing is said. */
  #duration(entry: Entry | undefined): number {
    if (entry === undefined) return 0;
    const text = this.#text(entry) ?? '';
    const ms = parseRuleDuration(text);
    if (ms === undefined) this.#say(entry.line, `${quoted(text)} is not a duration such as 5m or 1h30m`);
    return ms ?? 0;
  }

  #count(entry: Entry | undefined): number {
    if (entry === undefined) return 0;
    const { value } = entry;
    if (value.kind === 'number' && Number.isSafeInteger(value.number) && value.number >= 0) return value.number;
    this.#say(entry.line, `${quoted(entry.key)} is a whole number, 0 or more`);
    return 0;
  }

  #labels(entry: Entry | undefined, areLabels: boolean): ReadonlyMap<string, Entry> {
    if (entry === undefined || entry.value.kind === 'nothing') return new Map();
    if (entry.value.kind !== 'map') {
      this.#say(entry.line, `${entry.key} is a map of names and texts`);
      return new Map();
    }
    for (const { key, line } of entry.value.entries)
      if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(key) || (areLabels && key === '__name__'))
        this.#say(line, `${quoted(key)} cannot be the name of ${areLabels ? 'a label' : 'an annotation'}`);
    return new Map(entry.value.entries.map((each) => [each.key, each]));
  }

  #templates(entries: ReadonlyMap<string, Entry>): ReadonlyMap<string, Template> {
    return new Map(
      [...entries].map(([name, entry]) => {
        const parsed = parseTemplate(this.#text(entry) ?? '');
        if (!parsed.ok) this.#say(entry.line, parsed.what);
        return [name, parsed.ok ? parsed.template : []];
      }),
    );
  }
}
