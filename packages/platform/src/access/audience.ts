/**
 * Whoever asks, as a handler sees him: his name for the record, and which places of the estate he may see. What a list shows is cut to
 * that before it leaves.
 */
import type { Place } from '@coequal/contract';
import type { CoequalError } from '@coequal/kernel';
import type { Places } from '../places.ts';
import { type Action, actions } from './actions.ts';
import { covers, type ScopedPlace } from './decide.ts';
import type { Role, Subject } from './subject.ts';

/** Somebody who showed who he is. */
export type Known = {
  readonly subject: Subject;
  /** Whether that holds: false once the session or token has ended, was revoked or expired. */
  readonly still: () => boolean;
};

/** What a request shows of who sent it. */
export type Shown = {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Address of the other end of the connection: a proxy's, where one stands before. */
  readonly remote: string;
};

/**
 * How sessions become subjects; else what stands against it, as an error of the registry. `looking`: only to see whether a stream may go
 * on; that is no use of the session, which locks all the same when nobody uses it.
 */
export type Identify = (shown: Shown, looking?: boolean) => Subject | CoequalError;

export type Asker = {
  /** Undefined on routes that ask for nobody. */
  readonly subject: Subject | undefined;
  /** For stories and records. A service account may say whom it speaks for; a person is who he is. */
  readonly name: (said?: string) => string;
  readonly sees: (place: Place) => boolean;
  /** Where his grants for this action hold everywhere. */
  readonly seesAll: boolean;
  /** Asks once more, for something graver that the request turns out to mean. @throws as the guard */
  readonly need: (action: Action) => Promise<void>;
};

export const nobody: Asker = {
  subject: undefined,
  name: (said = 'somebody') => said,
  sees: () => false,
  seesAll: false,
  need: () => Promise.reject(new Error('nobody was asked for')),
};

export const makeAsker = (subject: Subject, action: Action, places: Places, need: Asker['need']): Asker => {
  const allowed: readonly Role[] = actions[action].roles;
  const grants = subject.grants.filter(({ role }) => allowed.includes(role));
  const seesAll = grants.some((grant) => covers(grant, { reach: 'all' }));
  return {
    subject,
    seesAll,
    need,
    name: (said) =>
      subject.kind === 'service' && said !== undefined ? `${said} (through ${subject.name})` : subject.name,
    sees: (place) =>
      seesAll || grants.some((grant) => covers(grant, { reach: 'any', places: scopesOf(places, place) })),
  };
};

/**
 * The services and sites that a place is about. A host or site is about the services that live on it, a service about the sites
 * it lives in; so whoever looks after one of them sees it.
 */
export const scopesOf = (places: Places, place: Place): readonly ScopedPlace[] => {
  const { service, site } = places.complete(place);
  if (service === undefined) {
    const services = [...places.servicesAt(places.complete(place))];
    return services.length === 0 ? [{ site }] : services.map((each) => ({ service: each, site }));
  }
  if (site !== undefined) return [{ service, site }];
  const { services, externals } = places.estate;
  const instances = [...services, ...externals].find(({ name }) => name === service)?.instances ?? [];
  const sites = new Set(instances.map(({ name }) => places.instance(name)?.site));
  return sites.size === 0 ? [{ service }] : [...sites].map((each) => ({ service, site: each }));
};
