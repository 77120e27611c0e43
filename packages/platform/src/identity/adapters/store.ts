/** What identity keeps, in the platform's database. Rows are parsed when they are read: another version may have written them. */
import { z } from 'zod';
import { factors, roles } from '../../access/subject.ts';
import type { Database, Row } from '../../store/adapters/database.ts';
import type {
  Ceremony,
  Device,
  Enrolment,
  HeldGrant,
  IdentityStore,
  KeptSignature,
  Passkey,
  Person,
  Session,
  Terminal,
} from '../store.ts';

const scope = z.string().transform((text) => z.union([z.literal('*'), z.array(z.string())]).parse(JSON.parse(text)));
const yes = z.number().transform((number) => number === 1);
const ms = z.number();
const maybeMs = ms.nullable();

const person: z.ZodType<Person> = z.object({
  ...{ id: z.string(), name: z.string(), display: z.string(), handle: z.string() },
  ...{ source: z.enum(['local', 'oidc', 'ldap']), external: z.string().nullable(), madeMs: ms, revokedMs: maybeMs },
});
const grant: z.ZodType<HeldGrant> = z.object({
  ...{ id: z.string(), person: z.string(), role: z.enum(roles), services: scope, sites: scope },
  ...{ source: z.enum(['person', 'directory']), givenBy: z.string(), fromMs: ms, toMs: maybeMs },
  endedBy: z.string().nullable(),
});
const device: z.ZodType<Device> = z.object({
  ...{ id: z.string(), person: z.string(), name: z.string(), tokenHash: z.string() },
  ...{ madeMs: ms, seenMs: ms, revokedMs: maybeMs },
});
const passkey: z.ZodType<Passkey> = z.object({
  ...{ id: z.string(), person: z.string(), device: z.string().nullable(), name: z.string(), sealed: z.string() },
  ...{ counter: z.number(), bound: yes, madeMs: ms, usedMs: maybeMs, revokedMs: maybeMs },
});
const session: z.ZodType<Session> = z.object({
  ...{ id: z.string(), tokenHash: z.string(), kind: z.enum(['browser', 'terminal']), person: z.string() },
  ...{ device: z.string(), factor: z.enum(factors), factorMs: ms, bound: yes, source: z.string(), madeMs: ms },
  ...{ seenMs: ms, lockedMs: maybeMs, endsMs: ms, endedMs: maybeMs, endedWhy: z.string().nullable() },
});
const ceremony: z.ZodType<Ceremony> = z.object({
  ...{ id: z.string(), purpose: z.string(), owner: z.string(), challenge: z.string(), data: z.string(), endsMs: ms },
});
const enrolment: z.ZodType<Enrolment> = z.object({
  ...{ id: z.string(), person: z.string().nullable(), kind: z.enum(['first', 'link', 'again']), firstHash: z.string() },
  ...{ secondHash: z.string().nullable(), askedBy: z.string(), secondBy: z.string().nullable() },
  ...{ madeMs: ms, endsMs: ms, usedMs: maybeMs },
});
const terminal: z.ZodType<Terminal> = z.object({
  ...{ id: z.string(), deviceHash: z.string(), userHash: z.string(), client: z.string(), source: z.string() },
  ...{ state: z.enum(['waiting', 'approved', 'denied', 'taken']), person: z.string().nullable(), bound: yes },
  ...{ factorMs: ms, endsMs: ms },
});
const signature: z.ZodType<KeptSignature> = z.object({
  ...{ id: z.string(), person: z.string(), passkey: z.string(), purpose: z.string(), atMs: ms },
  ...{ document: z.string(), sealed: z.string() },
});
const totp = z.object({ sealed: z.string(), lastStep: z.number(), confirmed: yes });

const camel = (row: Row): Row =>
  Object.fromEntries(
    Object.entries(row).map(([key, value]) => [
      key.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
      value,
    ]),
  );
const snake = (key: string): string => key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

type Value = string | number | null;

const plain = (value: unknown): Value => {
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value === 'number') return Math.round(value);
  return typeof value === 'string' || value === null ? value : JSON.stringify(value);
};

export const makeIdentityStore = (database: Database): IdentityStore => {
  const insert = (table: string, value: object, orIgnore = ''): boolean => {
    const entries = Object.entries(value);
    const columns = entries.map(([key]) => snake(key)).join(', ');
    const marks = entries.map(() => '?').join(', ');
    const values = entries.map(([, one]) => plain(one));
    return database.run(`INSERT ${orIgnore} INTO ${table} (${columns}) VALUES (${marks})`, ...values) === 1;
  };
  const all = <T>(schema: z.ZodType<T>, sql: string, ...values: readonly Value[]): readonly T[] =>
    database.all(sql, ...values).map((row) => schema.parse(camel(row)));
  const one = <T>(schema: z.ZodType<T>, sql: string, ...values: readonly Value[]): T | undefined =>
    all(schema, `${sql} LIMIT 1`, ...values)[0];
  const did = (sql: string, ...values: readonly Value[]): boolean => database.run(sql, ...values.map(plain)) > 0;
  const count = (sql: string, ...values: readonly Value[]): number =>
    Number(database.all(sql, ...values)[0]?.['n'] ?? 0);
  const revoke =
    (table: string) =>
    (id: string, nowMs: number): boolean =>
      did(`UPDATE ${table} SET revoked_ms = ? WHERE id = ? AND revoked_ms IS NULL`, nowMs, id);
  return {
    together: database.together,
    people: {
      add: (value) => insert('person', value, 'OR IGNORE'),
      get: (id) => one(person, 'SELECT * FROM person WHERE id = ?', id),
      named: (name) => one(person, 'SELECT * FROM person WHERE name = ?', name),
      external: (source, id) => one(person, 'SELECT * FROM person WHERE source = ? AND external = ?', source, id),
      byHandle: (handle) => one(person, 'SELECT * FROM person WHERE handle = ?', handle),
      list: () => all(person, 'SELECT * FROM person ORDER BY name'),
      count: () => count('SELECT count(*) AS n FROM person'),
      revoke: revoke('person'),
    },
    grants: {
      add: ({ services, sites, ...value }) =>
        void insert('person_grant', { ...value, services: JSON.stringify(services), sites: JSON.stringify(sites) }),
      of: (id, atMs) =>
        all(
          grant,
          'SELECT * FROM person_grant WHERE person = ? AND from_ms <= ? AND (to_ms IS NULL OR to_ms > ?) ORDER BY from_ms, id',
          ...[id, atMs, atMs],
        ),
      all: () => all(grant, 'SELECT * FROM person_grant ORDER BY from_ms, id'),
      end: (id, nowMs, by) =>
        did('UPDATE person_grant SET to_ms = ?, ended_by = ? WHERE id = ? AND to_ms IS NULL', nowMs, by, id),
    },
    devices: {
      add: (value) => void insert('device', value),
      get: (id) => one(device, 'SELECT * FROM device WHERE id = ?', id),
      byToken: (hash) => one(device, 'SELECT * FROM device WHERE token_hash = ?', hash),
      of: (id) => all(device, 'SELECT * FROM device WHERE person = ? ORDER BY made_ms, id', id),
      seen: (id, nowMs) => void did('UPDATE device SET seen_ms = ? WHERE id = ?', nowMs, id),
      revoke: revoke('device'),
    },
    passkeys: {
      add: (value) => insert('passkey', value, 'OR IGNORE'),
      get: (id) => one(passkey, 'SELECT * FROM passkey WHERE id = ?', id),
      of: (id) => all(passkey, 'SELECT * FROM passkey WHERE person = ? ORDER BY made_ms, id', id),
      used: (id, before, counter, nowMs) =>
        did(
          'UPDATE passkey SET counter = ?, used_ms = ? WHERE id = ? AND counter = ? AND revoked_ms IS NULL',
          ...[counter, nowMs, id, before],
        ),
      revoke: revoke('passkey'),
    },
    totp: {
      put: (id, value) => void insert('totp', { person: id, ...value }, 'OR REPLACE'),
      get: (id) => one(totp, 'SELECT * FROM totp WHERE person = ?', id),
      take: (id, step) =>
        did('UPDATE totp SET last_step = ?, confirmed = 1 WHERE person = ? AND last_step < ?', step, id, step),
      remove: (id) => did('DELETE FROM totp WHERE person = ?', id),
    },
    recovery: {
      replace: (id, codes) => {
        did('DELETE FROM recovery_code WHERE person = ?', id);
        for (const code of codes) insert('recovery_code', { ...code, person: id });
      },
      unused: (id) =>
        all(
          z.object({ id: z.string(), sealed: z.string() }),
          'SELECT id, sealed FROM recovery_code WHERE person = ? AND used_ms IS NULL',
          id,
        ),
      take: (id, nowMs) => did('UPDATE recovery_code SET used_ms = ? WHERE id = ? AND used_ms IS NULL', nowMs, id),
    },
    sessions: {
      add: (value) => void insert('session', value),
      get: (id) => one(session, 'SELECT * FROM session WHERE id = ?', id),
      byToken: (hash) => one(session, 'SELECT * FROM session WHERE token_hash = ?', hash),
      open: (id) =>
        id === undefined
          ? all(session, 'SELECT * FROM session WHERE ended_ms IS NULL ORDER BY made_ms, id')
          : all(session, 'SELECT * FROM session WHERE ended_ms IS NULL AND person = ? ORDER BY made_ms, id', id),
      seen: (id, nowMs) => void did('UPDATE session SET seen_ms = ? WHERE id = ?', nowMs, id),
      lock: (id, nowMs) => void did('UPDATE session SET locked_ms = ? WHERE id = ? AND locked_ms IS NULL', nowMs, id),
      factor: (id, factor, bound, nowMs) =>
        void did(
          'UPDATE session SET factor = ?, bound = ?, factor_ms = ?, seen_ms = ?, locked_ms = NULL WHERE id = ? AND ended_ms IS NULL',
          ...[factor, plain(bound), nowMs, nowMs, id],
        ),
      end: (id, nowMs, why) =>
        did('UPDATE session SET ended_ms = ?, ended_why = ? WHERE id = ? AND ended_ms IS NULL', nowMs, why, id),
    },
    ceremonies: {
      add: (value) => void insert('ceremony', value),
      trim: (most) =>
        void did(
          `DELETE FROM ceremony WHERE id IN (
             SELECT id FROM ceremony WHERE purpose IN ('sign-in', 'oidc') ORDER BY ends_ms DESC, id LIMIT -1 OFFSET ?)`,
          most,
        ),
      take: (id, purpose, owner, nowMs) =>
        all(
          ceremony,
          'DELETE FROM ceremony WHERE id = ? AND purpose = ? AND owner = ? AND ends_ms > ? RETURNING *',
          ...[id, purpose, owner, plain(nowMs)],
        )[0],
    },
    enrolments: {
      add: (value) => void insert('enrolment', value),
      get: (id) => one(enrolment, 'SELECT * FROM enrolment WHERE id = ?', id),
      byCode: (hash) => one(enrolment, 'SELECT * FROM enrolment WHERE first_hash = ?', hash),
      second: (id, by, hash, endsMs) =>
        did(
          'UPDATE enrolment SET second_by = ?, second_hash = ?, ends_ms = ? WHERE id = ? AND second_by IS NULL AND used_ms IS NULL',
          ...[by, hash, endsMs, id],
        ),
      take: (id, nowMs) =>
        did('UPDATE enrolment SET used_ms = ? WHERE id = ? AND used_ms IS NULL AND ends_ms > ?', nowMs, id, nowMs),
      drop: (kind, id) =>
        void did('DELETE FROM enrolment WHERE kind = ? AND person IS ? AND used_ms IS NULL', kind, id),
    },
    terminals: {
      add: (value) => void insert('terminal', value),
      count: (nowMs, source) =>
        count(
          `SELECT count(*) AS n FROM terminal WHERE state = 'waiting' AND ends_ms > ?${source === undefined ? '' : ' AND source = ?'}`,
          ...[plain(nowMs), ...(source === undefined ? [] : [source])],
        ),
      byDevice: (hash) => one(terminal, 'SELECT * FROM terminal WHERE device_hash = ?', hash),
      byUser: (hash) => one(terminal, 'SELECT * FROM terminal WHERE user_hash = ?', hash),
      decide: (id, state, who, bound, nowMs) =>
        did(
          "UPDATE terminal SET state = ?, person = ?, bound = ?, factor_ms = ? WHERE id = ? AND state = 'waiting' AND ends_ms > ?",
          ...[state, who, plain(bound), nowMs, id, nowMs],
        ),
      take: (id, nowMs) =>
        did("UPDATE terminal SET state = 'taken' WHERE id = ? AND state = 'approved' AND ends_ms > ?", id, nowMs),
    },
    directoryTokens: {
      put: (id, sealed) => void insert('directory_token', { person: id, sealed }, 'OR REPLACE'),
      get: (id) =>
        one(z.object({ sealed: z.string() }), 'SELECT sealed FROM directory_token WHERE person = ?', id)?.sealed,
    },
    signatures: {
      add: (value) => void insert('signature', value),
      get: (id) => one(signature, 'SELECT * FROM signature WHERE id = ?', id),
    },
    prune: (nowMs, keptMs) => {
      const before = plain(nowMs - keptMs);
      did('DELETE FROM ceremony WHERE ends_ms <= ?', nowMs);
      did('DELETE FROM terminal WHERE ends_ms <= ?', nowMs);
      did('DELETE FROM session WHERE ended_ms <= ?', before);
      did('DELETE FROM enrolment WHERE ends_ms <= ?', before);
    },
  };
};
