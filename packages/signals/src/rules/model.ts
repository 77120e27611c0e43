/** Rule files as values: what a Prometheus rule file says, checked, with every time in milliseconds. */
import type { Template } from './template-parse.ts';

export type Texts = ReadonlyMap<string, Template>;

export type AlertingRule = {
  readonly kind: 'alerting';
  readonly alert: string;
  /** PromQL, as it is; the store evaluates it. */
  readonly expr: string;
  readonly forMs: number;
  readonly keepFiringForMs: number;
  readonly labels: Texts;
  readonly annotations: Texts;
  /** Where it begins in its file, from 1. */
  readonly line: number;
};

export type RecordingRule = {
  readonly kind: 'recording';
  readonly record: string;
  readonly expr: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly line: number;
};

export type Rule = AlertingRule | RecordingRule;

export type RuleGroup = {
  readonly name: string;
  /** How often it is evaluated; undefined where the file leaves it to whoever evaluates. */
  readonly intervalMs: number | undefined;
  /** How far in the past it asks. */
  readonly queryOffsetMs: number;
  /** Most alerts or series that one rule may make; 0 is Prometheus' word for no limit of the file's own. */
  readonly limit: number;
  readonly rules: readonly Rule[];
};

/** `line`: from 1. `what`: without a full stop. */
export type RuleProblem = { readonly file: string; readonly line: number; readonly what: string };
