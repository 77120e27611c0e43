/** Devices: a browser or a terminal that somebody signed in with, known by a token of its own. A session works at its device only. */
import { identityLimits } from './limits.ts';
import { actorOf, type IdentityPorts } from './ports.ts';
import type { Sessions } from './sessions.ts';
import type { Device, Person } from './store.ts';
import { hashOf, newId, newToken } from './values.ts';

/** What asks, as the server sees it. */
export type Asker = {
  readonly source: string;
  readonly deviceToken: string | undefined;
  /** How its owner calls it. */
  readonly deviceName: string;
};

export type DeviceFound = {
  readonly device: Device;
  /** To be kept by the browser; undefined: it has it. */
  readonly token: string | undefined;
};

export const knownDevice = (
  { store }: IdentityPorts,
  person: Pick<Person, 'id'> | undefined,
  token: string | undefined,
): Device | undefined => {
  const device = token === undefined ? undefined : store.devices.byToken(hashOf(token));
  return device !== undefined && device.person === person?.id && device.revokedMs === null ? device : undefined;
};

/** The device that asks, which is registered when this person was never seen with it. The oldest of too many is revoked. */
export const deviceOf = async (
  ports: IdentityPorts,
  sessions: Sessions,
  person: Person,
  asker: Asker,
): Promise<DeviceFound> => {
  const known = knownDevice(ports, person, asker.deviceToken);
  if (known !== undefined) return { device: known, token: undefined };
  const { store, clock, note } = ports;
  const token = newToken();
  const nowMs = clock.now();
  const device: Device = {
    ...{ id: newId('device'), person: person.id, name: asker.deviceName, tokenHash: hashOf(token) },
    ...{ madeMs: nowMs, seenMs: nowMs, revokedMs: null },
  };
  await note(actorOf(person), 'identity.device.add', device.id, 'done', { source: asker.source });
  const others = store.devices.of(person.id).filter(({ revokedMs }) => revokedMs === null);
  const surplus = Math.max(0, others.length + 1 - identityLimits.devices);
  for (const { id } of others.toSorted((a, b) => a.seenMs - b.seenMs).slice(0, surplus))
    revokeDevice(ports, sessions, id);
  store.devices.add(device);
  return { device, token };
};

/** With its sessions, its streams and the passkeys that were registered on it. */
export const revokeDevice = ({ store, clock }: IdentityPorts, sessions: Sessions, id: string): boolean => {
  const nowMs = clock.now();
  const device = store.devices.get(id);
  if (device === undefined || !store.devices.revoke(id, nowMs)) return false;
  for (const passkey of store.passkeys.of(device.person))
    if (passkey.device === id) store.passkeys.revoke(passkey.id, nowMs);
  sessions.endAt(id, 'device revoked');
  return true;
};

/** All that a person could come in with. */
export const revokeMeans = (ports: IdentityPorts, sessions: Sessions, person: string, why: string): void => {
  const { store, clock } = ports;
  const nowMs = clock.now();
  for (const { id } of store.passkeys.of(person)) store.passkeys.revoke(id, nowMs);
  for (const { id } of store.devices.of(person)) store.devices.revoke(id, nowMs);
  store.totp.remove(person);
  store.recovery.replace(person, []);
  sessions.endOf(person, why);
};
