/** Service accounts, and what was asked for once, on disk. */
import { grants as grantsSchema } from '@coequal/contract';
import type { AccountStore, KeptAccount, OnceStore } from '../port.ts';
import type { Database, Row } from './database.ts';

const columns = 'id, name, token_hash, grants, created_ms, created_by, expires_ms, revoked_ms, revoked_by';

export const makeAccountStore = (database: Database): AccountStore => ({
  add: ({ id, name, tokenHash, grants, createdMs, createdBy, expiresMs, revokedMs, revokedBy }) =>
    void database.run(
      `INSERT INTO service_account (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ...[id, name, tokenHash, JSON.stringify(grants), createdMs, createdBy, expiresMs, revokedMs, revokedBy],
    ),
  list: () => database.all(`SELECT ${columns} FROM service_account ORDER BY created_ms DESC, id`).map(accountOf),
  byHash: (tokenHash) =>
    database.all(`SELECT ${columns} FROM service_account WHERE token_hash = ?`, tokenHash).map(accountOf)[0],
  byName: (name) =>
    database
      .all(`SELECT ${columns} FROM service_account WHERE name = ? AND revoked_ms IS NULL`, name)
      .map(accountOf)[0],
  revoke: (id, by, ms) =>
    void database.run(
      'UPDATE service_account SET revoked_ms = ?, revoked_by = ? WHERE id = ? AND revoked_ms IS NULL',
      ...[ms, by, id],
    ),
});

const accountOf = (row: Row): KeptAccount => ({
  id: String(row['id']),
  name: String(row['name']),
  tokenHash: String(row['token_hash']),
  grants: grantsSchema.parse(JSON.parse(String(row['grants']))),
  createdMs: Number(row['created_ms']),
  createdBy: String(row['created_by']),
  expiresMs: Number(row['expires_ms']),
  revokedMs: row['revoked_ms'] === null ? null : Number(row['revoked_ms']),
  revokedBy: row['revoked_by'] === null ? null : String(row['revoked_by']),
});

export const makeOnceStore = (database: Database): OnceStore => ({
  get: (...what) =>
    database
      .all('SELECT digest, answer FROM once WHERE subject = ? AND request = ? AND key = ?', ...what)
      .map(({ digest, answer }) => ({ digest: String(digest), answer: answer === null ? null : String(answer) }))[0],
  begin: (...what) =>
    void database.run('INSERT INTO once (subject, request, key, digest, at_ms) VALUES (?, ?, ?, ?, ?)', ...what),
  end: (subject, request, key, answer) =>
    void database.run(
      'UPDATE once SET answer = ? WHERE subject = ? AND request = ? AND key = ?',
      ...[answer, subject, request, key],
    ),
  forget: (...what) => void database.run('DELETE FROM once WHERE subject = ? AND request = ? AND key = ?', ...what),
  prune: (beforeMs, kept) => {
    database.run('DELETE FROM once WHERE at_ms < ?', beforeMs);
    database.run(
      'DELETE FROM once WHERE rowid IN (SELECT rowid FROM once ORDER BY at_ms DESC LIMIT -1 OFFSET ?)',
      kept,
    );
  },
});
