/** What the acting half of one agent works with, resolved from the estate. Pure. */
import { type ActionType, actionTypes } from '@coequal/contract';
import {
  type Acts,
  type Estate,
  hostNamed,
  type Instance,
  type LineAddress,
  type Placed,
  placedGateways,
  placedInstances,
  type Service,
} from '@coequal/estate';
import { assert, fail } from '@coequal/kernel';
import { chosenAgent } from '../configure.ts';

export type OwnInstance = { readonly service: Service; readonly instance: Placed<Instance> };

export type ActSettings = {
  readonly name: string;
  readonly host: string;
  readonly stateFolder: string;
  readonly acts: Acts;
  readonly allowed: ReadonlySet<ActionType>;
  readonly platforms: readonly LineAddress[];
  /** Those of the host; none without an account to ask them by. */
  readonly instances: readonly OwnInstance[];
  readonly gateways: readonly { readonly name: string; readonly stateFolder: string }[];
};

/**
 * @param wanted name of the agent or of its host; may be left out where the estate has only one
 * @throws AGENT_UNKNOWN, AGENT_NOT_NAMED, AGENT_ONLY_WATCHES, ACTION_REFUSED
 */
export const actSettings = (estate: Estate, wanted: string | undefined): ActSettings => {
  const agent = chosenAgent(estate, wanted);
  const { name, host, stateFolder, acts } = agent;
  if (acts === undefined) throw fail('AGENT_ONLY_WATCHES', { name });
  return {
    ...{ name, host, stateFolder, acts },
    allowed: allowedOf(acts),
    platforms: acts.platforms.length > 0 ? acts.platforms : linesOf(estate),
    instances:
      acts.account === undefined
        ? []
        : estate.services.flatMap((service) =>
            placedInstances(estate, service)
              .filter((instance) => instance.host === host)
              .map((instance) => ({ service, instance })),
          ),
    gateways: estate.services.flatMap((service) =>
      placedGateways(estate, service).filter((gateway) => gateway.host === host),
    ),
  };
};

const allowedOf = ({ allow }: Acts): ReadonlySet<ActionType> => {
  if (allow === undefined) return new Set(actionTypes);
  const unknown = allow.find((one) => !actionTypes.some((known) => known === one));
  if (unknown !== undefined)
    throw fail('ACTION_REFUSED', { reason: `\`allow\` names ${unknown}, which is none of ${actionTypes.join(', ')}` });
  return new Set(actionTypes.filter((known) => allow.includes(known)));
};

/** Where the platforms of the estate let agents in. */
const linesOf = (estate: Estate): readonly LineAddress[] =>
  estate.platforms.flatMap(({ host, line }) => {
    if (line === undefined) return [];
    const place = hostNamed(estate, host);
    assert(place !== undefined, 'a parsed estate places every platform on a known host');
    return [{ address: line.address ?? place.at.address, port: line.port }];
  });
