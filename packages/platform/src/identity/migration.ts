/** The tables of identity. Tokens and codes are hashes; seeds, keys and hashes of recovery codes are sealed with the key ring. */
import type { Migration } from '../store/migrations.ts';

export const directoryMigration: Migration = {
  name: '011-directory',
  up: `
    CREATE TABLE directory_token (
      person TEXT PRIMARY KEY REFERENCES person (id),
      sealed TEXT NOT NULL
    ) STRICT;`,
  down: 'DROP TABLE directory_token;',
};

export const identityMigration: Migration = {
  name: '010-identity',
  up: `
    CREATE TABLE person (
      id TEXT PRIMARY KEY,
      name TEXT NOT NULL UNIQUE COLLATE NOCASE,
      display TEXT NOT NULL,
      handle TEXT NOT NULL UNIQUE,
      source TEXT NOT NULL,
      external TEXT,
      made_ms INTEGER NOT NULL,
      revoked_ms INTEGER,
      UNIQUE (source, external)
    ) STRICT;
    CREATE TABLE person_grant (
      id TEXT PRIMARY KEY,
      person TEXT NOT NULL REFERENCES person (id),
      role TEXT NOT NULL,
      services TEXT NOT NULL,
      sites TEXT NOT NULL,
      source TEXT NOT NULL,
      given_by TEXT NOT NULL,
      from_ms INTEGER NOT NULL,
      to_ms INTEGER,
      ended_by TEXT
    ) STRICT;
    CREATE INDEX person_grant_by_person ON person_grant (person, to_ms);
    CREATE TABLE device (
      id TEXT PRIMARY KEY,
      person TEXT NOT NULL REFERENCES person (id),
      name TEXT NOT NULL,
      token_hash TEXT NOT NULL UNIQUE,
      made_ms INTEGER NOT NULL,
      seen_ms INTEGER NOT NULL,
      revoked_ms INTEGER
    ) STRICT;
    CREATE INDEX device_by_person ON device (person);
    CREATE TABLE passkey (
      id TEXT PRIMARY KEY,
      person TEXT NOT NULL REFERENCES person (id),
      device TEXT REFERENCES device (id),
      name TEXT NOT NULL,
      sealed TEXT NOT NULL,
      counter INTEGER NOT NULL,
      bound INTEGER NOT NULL,
      made_ms INTEGER NOT NULL,
      used_ms INTEGER,
      revoked_ms INTEGER
    ) STRICT;
    CREATE INDEX passkey_by_person ON passkey (person);
    CREATE TABLE totp (
      person TEXT PRIMARY KEY REFERENCES person (id),
      sealed TEXT NOT NULL,
      last_step INTEGER NOT NULL,
      confirmed INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE recovery_code (
      id TEXT PRIMARY KEY,
      person TEXT NOT NULL REFERENCES person (id),
      sealed TEXT NOT NULL,
      used_ms INTEGER
    ) STRICT;
    CREATE INDEX recovery_code_by_person ON recovery_code (person);
    CREATE TABLE session (
      id TEXT PRIMARY KEY,
      token_hash TEXT NOT NULL UNIQUE,
      kind TEXT NOT NULL,
      person TEXT NOT NULL REFERENCES person (id),
      device TEXT NOT NULL REFERENCES device (id),
      factor TEXT NOT NULL,
      factor_ms INTEGER NOT NULL,
      bound INTEGER NOT NULL,
      source TEXT NOT NULL,
      made_ms INTEGER NOT NULL,
      seen_ms INTEGER NOT NULL,
      locked_ms INTEGER,
      ends_ms INTEGER NOT NULL,
      ended_ms INTEGER,
      ended_why TEXT
    ) STRICT;
    CREATE INDEX session_by_person ON session (person, ended_ms);
    CREATE INDEX session_open ON session (ended_ms, ends_ms);
    CREATE TABLE ceremony (
      id TEXT PRIMARY KEY,
      purpose TEXT NOT NULL,
      owner TEXT NOT NULL,
      challenge TEXT NOT NULL,
      data TEXT NOT NULL,
      ends_ms INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX ceremony_by_end ON ceremony (ends_ms);
    CREATE TABLE enrolment (
      id TEXT PRIMARY KEY,
      person TEXT REFERENCES person (id),
      kind TEXT NOT NULL,
      first_hash TEXT NOT NULL UNIQUE,
      second_hash TEXT,
      asked_by TEXT NOT NULL,
      second_by TEXT,
      made_ms INTEGER NOT NULL,
      ends_ms INTEGER NOT NULL,
      used_ms INTEGER
    ) STRICT;
    CREATE TABLE terminal (
      id TEXT PRIMARY KEY,
      device_hash TEXT NOT NULL UNIQUE,
      user_hash TEXT NOT NULL UNIQUE,
      client TEXT NOT NULL,
      source TEXT NOT NULL,
      state TEXT NOT NULL,
      person TEXT REFERENCES person (id),
      bound INTEGER NOT NULL,
      factor_ms INTEGER NOT NULL,
      ends_ms INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE signature (
      id TEXT PRIMARY KEY,
      person TEXT NOT NULL REFERENCES person (id),
      passkey TEXT NOT NULL REFERENCES passkey (id),
      purpose TEXT NOT NULL,
      at_ms INTEGER NOT NULL,
      document TEXT NOT NULL,
      sealed TEXT NOT NULL
    ) STRICT;
    CREATE INDEX signature_by_time ON signature (at_ms DESC, id DESC);`,
  down: `
    DROP TABLE signature; DROP TABLE terminal; DROP TABLE enrolment; DROP TABLE ceremony; DROP TABLE session; DROP TABLE recovery_code;
    DROP TABLE totp; DROP TABLE passkey; DROP TABLE device; DROP TABLE person_grant; DROP TABLE person;`,
};
