/** The rule files of a platform at work: evaluated through its store, with what fires as findings. */
import { basename } from 'node:path';
import { type Clock, type Counters, fail, type Log } from '@coequal/kernel';
import {
  formatRuleProblem,
  type Labels,
  labelsOf,
  type RunningRules,
  runRules,
  type StoreClient,
} from '@coequal/signals';
import type { Places } from '../places.ts';
import type { Rules } from '../ports.ts';
import { toldFinding } from '../watch/outside.ts';

export type RulesSetup = {
  readonly files: readonly string[];
  readonly store: StoreClient;
  readonly coarseStore: StoreClient | undefined;
  readonly url: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: Counters;
  readonly places: Places;
};

export type OpenedRules = Rules & { readonly close: () => Promise<void> };

const usualIntervalMs = 15_000;

/** Recording rules that make long-term series of fine ones: their results go to the coarse store. */
const isCoarse = (path: string): boolean => /^coarse\b.*\.ya?ml$/.test(basename(path));

/** @throws RULES_INVALID */
export const openRules = async (setup: RulesSetup): Promise<OpenedRules> => {
  const { files, store, coarseStore, clock, log, counters, url, places } = setup;
  const coarse = coarseStore === undefined ? [] : files.filter(isCoarse);
  const fine = files.filter((file) => !isCoarse(file));
  const started = await runRules({
    ...{ files: fine, store, recordTo: store, clock, log, counters, usualIntervalMs, externalUrl: url },
    ...(coarse.length === 0 || coarseStore === undefined ? {} : { coarse: { files: coarse, recordTo: coarseStore } }),
    onAlerts: ({ group, changes }) => {
      for (const { change, alert } of changes)
        if (change === 'fired' || change === 'resolved')
          log('info', `a rule ${change}`, { group, alert: Object.fromEntries(alert.labels) });
    },
  });
  if (!started.ok) {
    const problems = started.problems.slice(0, 20).map(formatRuleProblem);
    throw fail('RULES_INVALID', { problems: problems.join('; ') });
  }
  return told(started.rules, files.length, places);
};

const told = (rules: RunningRules, files: number, places: Places): OpenedRules => ({
  findings: () =>
    rules
      .alerts()
      .filter(({ state }) => state !== 'pending')
      .map(({ labels, annotations, activeAtMs }) =>
        toldFinding(places, 'rule', labels, annotationsOf(annotations), activeAtMs),
      ),
  state: () => {
    const groups = rules.groups();
    return { files, groups: groups.length, failing: groups.filter(({ problems }) => problems.length > 0).length };
  },
  groups: () => rules.groups(),
  alerts: () => rules.alerts(),
  reload: async () => (await rules.reload()).map(formatRuleProblem),
  close: () => rules.close(),
});

const annotationsOf = (texts: ReadonlyMap<string, string>): Labels => labelsOf([...texts]) ?? [];
