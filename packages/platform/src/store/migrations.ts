/**
 * The shape of the platform's database as steps, each with its way back. A step that has been released never changes: what comes
 * later is another step. A step only adds, so that the release before works on the new shape as well, and processes can be
 * exchanged one by one in either direction; one that has to do more says that it breaks.
 */
import { directoryMigration, identityMigration } from '../identity/migration.ts';

export type Migration = {
  readonly name: string;
  readonly up: string;
  readonly down: string;
  /** The release before cannot work on what this makes. */
  readonly breaks?: true;
};

export const migrations: readonly Migration[] = [
  {
    name: '001-incidents-and-events',
    up: `
      CREATE TABLE incident (
        id TEXT PRIMARY KEY,
        state TEXT NOT NULL,
        severity TEXT NOT NULL,
        started_ms INTEGER NOT NULL,
        detected_ms INTEGER NOT NULL,
        resolved_ms INTEGER,
        document TEXT NOT NULL
      ) STRICT;
      CREATE INDEX incident_by_time ON incident (detected_ms DESC, id DESC);
      CREATE INDEX incident_by_state ON incident (state, detected_ms DESC);
      CREATE TABLE incident_place (
        incident TEXT NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        PRIMARY KEY (kind, name, incident)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX incident_place_by_incident ON incident_place (incident);
      CREATE TABLE event (
        id TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        change TEXT,
        host TEXT,
        service TEXT,
        instance TEXT,
        document TEXT NOT NULL
      ) STRICT;
      CREATE INDEX event_by_time ON event (kind, at_ms DESC, id DESC);
      CREATE TABLE document (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
      ) STRICT;`,
    down: 'DROP TABLE document; DROP TABLE event; DROP TABLE incident_place; DROP TABLE incident;',
  },
  {
    name: '002-access',
    up: `
      CREATE TABLE service_account (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        token_hash TEXT NOT NULL UNIQUE,
        grants TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        created_by TEXT NOT NULL,
        expires_ms INTEGER NOT NULL,
        revoked_ms INTEGER,
        revoked_by TEXT
      ) STRICT;
      CREATE UNIQUE INDEX service_account_by_name ON service_account (name) WHERE revoked_ms IS NULL;
      CREATE TABLE once (
        subject TEXT NOT NULL,
        request TEXT NOT NULL,
        key TEXT NOT NULL,
        digest TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        answer TEXT,
        PRIMARY KEY (subject, request, key)
      ) STRICT;
      CREATE INDEX once_by_time ON once (at_ms);`,
    down: 'DROP TABLE once; DROP TABLE service_account;',
  },
  identityMigration,
  directoryMigration,
];
