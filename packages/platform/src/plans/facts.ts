/** What a plan is made from: the estate, and what is seen of it at a moment. Plain values, so that the same facts give the same plan. */
import type { ActionType, ChangeEvent, DatabaseDetail } from '@coequal/contract';
import type { Estate } from '@coequal/estate';

export type Facts = {
  readonly estate: Estate;
  readonly nowMs: number;
  /** In the words of the overview; `silent` is unknown. */
  readonly instances: ReadonlyMap<string, string>;
  /** The newest of each. */
  readonly details: ReadonlyMap<string, DatabaseDetail>;
  /** The oldest first. */
  readonly changes: readonly ChangeEvent[];
  /** Agents that may act, with what they may do; connected or not. */
  readonly agents: readonly {
    readonly agent: string;
    readonly host: string;
    readonly actions: ReadonlySet<ActionType>;
  }[];
};

const servingWords: ReadonlySet<string> = new Set(['serving', 'donor']);

export const servingOf = ({ estate, instances }: Facts, service: string): readonly string[] =>
  (estate.services.find(({ name }) => name === service)?.instances ?? [])
    .map(({ name }) => name)
    .filter((name) => servingWords.has(instances.get(name) ?? ''));
