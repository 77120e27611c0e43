/**
 * Which gateway a command means: by its state folder, or by name from the estate, or the one that runs on this machine.
 * Gateways are operated where they run; the estate says where that is.
 */

import type { GatewayControl } from '@coequal/gateway';
import { fail } from '@coequal/kernel';
import { readEstate } from '../read-estate.ts';
import type { World } from '../world.ts';

export type PlaceFlags = { readonly config: string; readonly name?: string; readonly state?: string };

export type Place = { readonly name: string; readonly stateFolder: string; readonly control: GatewayControl };

/** Every gateway that is meant. @throws when there is none, in words that say where to look */
export const placesOf = async (world: World, flags: PlaceFlags): Promise<readonly Place[]> => {
  const candidates = await candidatesOf(world, flags);
  const [only] = candidates;
  if (only !== undefined && candidates.length === 1) return candidates;
  const running = await Promise.all(candidates.map(async (place) => (await place.control.process()) !== undefined));
  const found = candidates.filter((_, index) => running[index]);
  if (found.length > 0) return found;
  throw fail('GATEWAY_NOT_RUNNING', {
    name: candidates.map(({ name }) => name).join(' or '),
    folder: candidates.map(({ stateFolder }) => stateFolder).join(', '),
  });
};

/** The one gateway that is meant. */
export const placeOf = async (world: World, flags: PlaceFlags): Promise<Place> => {
  const [first, ...others] = await placesOf(world, flags);
  if (first !== undefined && others.length === 0) return first;
  throw fail('COMMAND_USAGE', {
    problem: `Several gateways run here (${[first, ...others].map((place) => place?.name).join(', ')}): say which with --name.`,
    help: 'coequal gateway --help',
  });
};

const candidatesOf = async (world: World, { config, name, state }: PlaceFlags): Promise<readonly Place[]> => {
  const port = await world.gateway();
  const placed = (gateway: { readonly name: string; readonly stateFolder: string }): Place => ({
    name: gateway.name,
    stateFolder: gateway.stateFolder,
    control: port.gatewayControl(gateway, world.clock, world.user),
  });
  if (state !== undefined) return [placed({ name: name ?? state, stateFolder: world.files.absolute(state) })];
  const estate = await readEstate(world, config);
  const known = estate.gateways.map((gateway) => gateway.name).join(', ') || 'none';
  if (estate.gateways.length === 0) throw fail('GATEWAY_NOT_NAMED', { estate: estate.name, count: 0, known });
  const meant = estate.gateways.filter((gateway) => name === undefined || gateway.name === name);
  if (meant.length === 0) throw fail('GATEWAY_UNKNOWN', { name: name ?? '', estate: estate.name, known });
  return meant.map(placed);
};
