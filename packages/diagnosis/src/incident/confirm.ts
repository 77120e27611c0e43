/**
 * What is learned from an incident whose cause a person has said: the profile of each instance at the place of the cause, as the profile
 * witness will ask for it. An incident without an instance there teaches nothing.
 */
import type { Place } from '@coequal/contract';
import type { Incident } from '../profile/knowledge.ts';
import { entityProfile } from '../witnesses/live-profile.ts';
import { onsetRow } from './diagnose-incident.ts';
import { isWithin } from './graph.ts';
import type { IncidentScene } from './scene.ts';
import { viewOf } from './view.ts';

/** More instances of one incident tell the same again. */
const mostInstances = 3;

export const confirmedProfiles = (
  id: string,
  cause: string,
  place: Place,
  scene: IncidentScene,
): readonly Incident[] => {
  const view = viewOf(scene, onsetRow(scene));
  const near = view.graph.instances.filter(
    (instance) => isWithin(instance.place, place) || isBeside(instance.place, place),
  );
  return near.slice(0, mostInstances).map((instance) => ({
    id: `${id} ${instance.name}`,
    causes: [cause],
    profile: entityProfile(view, instance),
  }));
};

/** What a gateway suffers from shows at the instances of its host. */
const isBeside = (instance: Place, place: Place): boolean =>
  place.gateway !== undefined && place.host !== undefined && instance.host === place.host;
