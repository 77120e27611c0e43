/** The facts of this moment out of what the platform sees. */
import { type ActionType, actionTypes } from '@coequal/contract';
import type { Estate } from '@coequal/estate';
import type { Core } from '../ports.ts';
import { overviewOf } from '../views/overview.ts';
import type { Facts } from './facts.ts';

/** Changes are suspects for so long. */
const changesMs = 30 * 60_000;

export const factsOf = ({ places, readings, keeper, intake, clock }: Core): Facts => {
  const nowMs = clock.now();
  const { estate } = places;
  const seen = overviewOf(
    { places, readings, open: keeper.open, heardMs: (host) => intake.heardMs(host), sees: () => true },
    nowMs,
  );
  return {
    ...{ estate, nowMs },
    instances: new Map(seen.instances.map(({ name, state }) => [name, state])),
    details: new Map(
      seen.instances.flatMap(({ name }) => {
        const newest = intake.details(name).at(-1);
        return newest === undefined ? [] : [[name, newest] as const];
      }),
    ),
    changes: intake.changes(nowMs - changesMs),
    agents: agentsOf(estate),
  };
};

const agentsOf = (estate: Estate): Facts['agents'] =>
  estate.agents.flatMap(({ name, host, acts }) =>
    acts === undefined ? [] : [{ agent: name, host, actions: allowedOf(acts.allow) }],
  );

const allowedOf = (allow: readonly string[] | undefined): ReadonlySet<ActionType> =>
  new Set(actionTypes.filter((type) => allow === undefined || allow.includes(type)));
