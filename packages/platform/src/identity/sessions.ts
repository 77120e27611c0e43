/**
 * Sessions: opaque tokens, kept as hashes, of one device each. What is asked is read from the store each time, so that what was revoked is
 * over at once. Idle ones are locked, old ones end; open streams of events look again every other second.
 */
import type { Factor, Subject } from '../access/subject.ts';
import { identityLimits } from './limits.ts';
import type { IdentityPorts } from './ports.ts';
import type { Device, Person, Session } from './store.ts';
import { hashOf, newId, newToken } from './values.ts';

/** A session that is there, with whose it is. */
export type Live = { readonly session: Session; readonly person: Person; readonly device: Device };

export type Opening = {
  readonly person: Person;
  readonly device: Device;
  readonly factor: Factor;
  readonly factorMs: number;
  readonly bound: boolean;
  readonly kind: Session['kind'];
  readonly source: string;
};

/** Before the token of a terminal, so that it cannot be taken for another's. */
export const terminalPrefix = 'cqt_';

export class Sessions {
  readonly #ports: IdentityPorts;

  constructor(ports: IdentityPorts) {
    this.#ports = ports;
  }

  /** The token is in the answer, and nowhere else. The oldest of too many sessions end. */
  open(opening: Opening): { readonly token: string; readonly session: Session } {
    const { store, clock } = this.#ports;
    const nowMs = clock.now();
    const { person, device, ...rest } = opening;
    const token = opening.kind === 'terminal' ? `${terminalPrefix}${newToken()}` : newToken();
    const session: Session = {
      ...rest,
      ...{ id: newId('session'), tokenHash: hashOf(token), person: person.id, device: device.id },
      ...{ madeMs: nowMs, seenMs: nowMs, lockedMs: null, endsMs: nowMs + identityLimits.session.mostMs },
      ...{ endedMs: null, endedWhy: null },
    };
    const others = store.sessions.open(person.id);
    for (const { id } of others.slice(0, Math.max(0, others.length + 1 - identityLimits.session.ofPerson)))
      this.end(id, 'too many');
    store.sessions.add(session);
    store.devices.seen(device.id, nowMs);
    return { token, session };
  }

  /** @param deviceToken what the browser's device shows; a terminal has none */
  find(token: string, deviceToken: string | undefined): Live | undefined {
    const session = this.#ports.store.sessions.byToken(hashOf(token));
    if (session === undefined) return undefined;
    const live = this.#live(session);
    if (live === undefined) return undefined;
    const shown = deviceToken !== undefined && hashOf(deviceToken) === live.device.tokenHash;
    return session.kind === 'terminal' || shown ? live : undefined;
  }

  /** As it is now, or undefined when it has ended. */
  again(id: string): Live | undefined {
    const session = this.#ports.store.sessions.get(id);
    return session === undefined ? undefined : this.#live(session);
  }

  /** Somebody uses it. A locked one stays locked. */
  used({ session }: Live): void {
    const { store, clock } = this.#ports;
    const nowMs = clock.now();
    if (session.lockedMs !== null || nowMs - session.seenMs < identityLimits.session.noteEveryMs) return;
    store.sessions.seen(session.id, nowMs);
    store.devices.seen(session.device, nowMs);
  }

  subjectOf({ session, person }: Live): Subject {
    const { store, clock } = this.#ports;
    return {
      ...{ kind: 'person', id: person.id, name: person.name },
      grants: store.grants.of(person.id, clock.now()).map(({ role, services, sites }) => ({ role, services, sites })),
      session: {
        ...{ id: session.id, device: { id: session.device, bound: session.bound } },
        ...{ factor: session.factor, factorAt: session.factorMs, lockedSince: session.lockedMs },
      },
    };
  }

  /** A factor was shown: the session is fresh, and unlocked. */
  proved(session: Session, factor: Factor, bound: boolean): void {
    this.#ports.store.sessions.factor(session.id, factor, bound, this.#ports.clock.now());
  }

  /** True: it was there. */
  end(id: string, why: string): boolean {
    return this.#ports.store.sessions.end(id, this.#ports.clock.now(), why);
  }

  endOf(person: string, why: string, but?: string): number {
    return this.#endAll(
      this.#ports.store.sessions.open(person).filter(({ id }) => id !== but),
      why,
    );
  }

  endAt(device: string, why: string): number {
    const { store } = this.#ports;
    const person = store.devices.get(device)?.person;
    const open = person === undefined ? [] : store.sessions.open(person);
    return this.#endAll(
      open.filter((session) => session.device === device),
      why,
    );
  }

  /** Locks what is idle, ends what is old, forgets what is long over. */
  sweep(): void {
    const { store, clock } = this.#ports;
    const nowMs = clock.now();
    for (const session of store.sessions.open()) this.#live(session);
    store.prune(nowMs, identityLimits.keptMs);
  }

  #live(session: Session): Live | undefined {
    const { store, clock } = this.#ports;
    const nowMs = clock.now();
    if (session.endedMs !== null) return undefined;
    const person = store.people.get(session.person);
    const device = store.devices.get(session.device);
    const gone = person === undefined || device === undefined || person.revokedMs !== null || device.revokedMs !== null;
    if (gone || nowMs >= session.endsMs) {
      this.end(session.id, gone ? 'revoked' : 'over');
      return undefined;
    }
    const idleSince = session.seenMs + identityLimits.session.idleMs;
    if (session.lockedMs !== null || nowMs < idleSince) return { session, person, device };
    store.sessions.lock(session.id, idleSince);
    return { session: { ...session, lockedMs: idleSince }, person, device };
  }

  #endAll(sessions: readonly Session[], why: string): number {
    return sessions.filter(({ id }) => this.end(id, why)).length;
  }
}
