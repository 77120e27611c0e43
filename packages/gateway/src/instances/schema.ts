/**
 * What the gateway keeps in the database: the schema `coequal` with the outcome of every session's last write, the guards, and
 * the procedures through which sessions write both. Text only; `adapters/install.ts` brings it to an instance.
 *
 * What the procedures keep true:
 * - They commit themselves. A COMMIT sent behind them could commit a transaction whose outcome row was not written: KILL QUERY
 *   and max_statement_time end a procedure without asking its handlers. So what follows them in a flight is ROLLBACK, which ends
 *   whatever they did not.
 * - COMMIT is their last step. Everything that can fail comes before it, and fails the transaction.
 * - ROW_COUNT() and the warnings are those of the statement before the call, hence they are taken first.
 * - A fence has raised `epoch`: then `sequence` would become NULL, which is error 1048 whatever the client's flags and mode are
 *   (comparing the number of changed rows would not do: clients choose what is counted).
 * - The number of a session's last write never goes back: a flight that was given up undecided, and arrives behind a later
 *   one of the same epoch, would hide from the next fence that the later one has committed.
 * - They run as the gateway's account, so that clients need no rights; PUBLIC may execute them and can do no harm: a row is
 *   found by a session id that nobody can guess.
 *
 * A procedure that is in use keeps its name and parameters for ever: gateways of two versions share the schema for a while.
 */
import { createHash } from 'node:crypto';

/** Columns of session ids: 8 bytes of time, then 16 of chance. */
export const sessionIdBytes = 24;

const tables: readonly string[] = [
  'CREATE DATABASE IF NOT EXISTS coequal CHARACTER SET utf8mb4',
  `CREATE TABLE IF NOT EXISTS coequal.outcome (
  session BINARY(24) NOT NULL COMMENT 'time in ms, then chance',
  epoch INT UNSIGNED NOT NULL COMMENT 'raised by every fence',
  sequence BIGINT UNSIGNED NOT NULL COMMENT 'the last write that committed; 0: none',
  affected BIGINT NOT NULL COMMENT 'rows of its statement; -1: it failed; -2: it answered with rows',
  insert_id BIGINT UNSIGNED NOT NULL COMMENT 'LAST_INSERT_ID() behind it',
  fence BINARY(8) NULL COMMENT 'who raised the epoch last',
  at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (session)
) ENGINE=InnoDB COMMENT='Coequal: what became of the last write of each session'`,
  `CREATE TABLE IF NOT EXISTS coequal.guard (
  name VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  taken BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (name)
) ENGINE=InnoDB COMMENT='Coequal: transactions that take the same guard serialise'`,
  `CREATE TABLE IF NOT EXISTS coequal.version (
  id TINYINT UNSIGNED NOT NULL,
  digest CHAR(64) CHARACTER SET ascii NOT NULL COMMENT 'of the text of this schema',
  PRIMARY KEY (id)
) ENGINE=InnoDB COMMENT='Coequal: which gateway has written this schema'`,
];

/** The statement before the call, as its client would be told of it. */
const takeResult = `
  DECLARE changed BIGINT DEFAULT ROW_COUNT();
  DECLARE warned INT UNSIGNED DEFAULT @@warning_count;
  DECLARE failed INT UNSIGNED DEFAULT @@error_count;
  DECLARE conditions, i INT UNSIGNED DEFAULT 0;
  DECLARE code INT UNSIGNED;
  DECLARE state CHAR(5) CHARACTER SET ascii;
  DECLARE message VARCHAR(2048);
  DECLARE warnings LONGTEXT;`;

/** Signalling a warning again would keep only the last one: so all of them are answered as rows, for the gateway to tell. */
const takeWarnings = `
  IF warned > 0 THEN
    GET DIAGNOSTICS conditions = NUMBER;
    SET warnings = '[';
    WHILE i < conditions DO
      SET i = i + 1;
      GET DIAGNOSTICS CONDITION i code = MYSQL_ERRNO, message = MESSAGE_TEXT, state = RETURNED_SQLSTATE;
      SET warnings = CONCAT(warnings, IF(i = 1, '', ','), JSON_ARRAY(code, message, state));
    END WHILE;
    SET warnings = CONCAT(warnings, ']');
  END IF;`;

const writeOutcome = `
  IF changed < 0 THEN
    SET changed = IF(failed > 0, -1, -2);
  END IF;
  INSERT INTO coequal.outcome (session, epoch, sequence, affected, insert_id)
    VALUES (s, e, q, changed, LAST_INSERT_ID())
    ON DUPLICATE KEY UPDATE sequence = IF(epoch = e AND sequence < q, VALUES(sequence), NULL), affected = VALUES(affected),
      insert_id = VALUES(insert_id), at = CURRENT_TIMESTAMP(3);`;

const tellAndCommit = `
  IF warned > 0 THEN
    SELECT w.code, w.message, w.state
      FROM JSON_TABLE(warnings, '$[*]'
        COLUMNS (code INT UNSIGNED PATH '$[0]', message TEXT PATH '$[1]', state CHAR(5) PATH '$[2]')) AS w;
  END IF;
  COMMIT;`;

/** Names come in one order from every session, so that two of them never wait for each other in a circle. */
const takeGuards = `
  WHILE guards <> '' DO
    INSERT INTO coequal.guard (name, taken) VALUES (SUBSTRING_INDEX(guards, ',', 1), 1)
      ON DUPLICATE KEY UPDATE taken = taken + 1;
    SET guards = IF(LOCATE(',', guards) = 0, '', SUBSTRING(guards, LOCATE(',', guards) + 1));
  END WHILE;`;

const rollBackOnError = `
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END;`;

const characteristics = `
  MODIFIES SQL DATA SQL SECURITY DEFINER COMMENT 'Coequal: commits with the outcome'`;

const procedures: readonly string[] = [
  `CREATE OR REPLACE PROCEDURE coequal.record(s BINARY(24), e INT UNSIGNED, q BIGINT UNSIGNED)${characteristics}
BEGIN${takeResult}${rollBackOnError}${takeWarnings}${writeOutcome}${tellAndCommit}
END`,
  `CREATE OR REPLACE PROCEDURE coequal.record_guarded(s BINARY(24), e INT UNSIGNED, q BIGINT UNSIGNED,
  guards TEXT CHARACTER SET ascii)${characteristics}
BEGIN${takeResult}${rollBackOnError}${takeWarnings}${takeGuards}${writeOutcome}${tellAndCommit}
END`,
];

const rights: readonly string[] = [
  'GRANT EXECUTE ON PROCEDURE coequal.record TO PUBLIC',
  'GRANT EXECUTE ON PROCEDURE coequal.record_guarded TO PUBLIC',
];

/** In this order, each of them harmless where it has been done before. */
export const schemaStatements: readonly string[] = [...tables, ...procedures, ...rights];

/** Of everything above: an instance whose version row says the same needs nothing. */
export const schemaDigest: string = createHash('sha256').update(schemaStatements.join(';\n')).digest('hex');

/** Written last: a schema that was interrupted half-way is written again. */
export const versionStatement = `REPLACE INTO coequal.version (id, digest) VALUES (1, '${schemaDigest}')`;

/** Procedures keep the mode under which they were made: error 1048 of a fenced row needs a strict one. */
export const schemaSession =
  "SET SESSION sql_mode = 'STRICT_ALL_TABLES', character_set_client = utf8mb4, collation_connection = utf8mb4_general_ci";

/** How an account is written in statements. */
export const quotedAccount = (user: string, host: string): string => `${quoted(user)}@${quoted(host)}`;
const quoted = (text: string): string => `'${text.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`;

/**
 * What an administrator runs once, so that the gateway's account can do the rest: it reads the accounts, sees sizes of tables
 * (PROCESS) without seeing what is in them, ends statements of sessions that were killed (CONNECTION ADMIN), and owns `coequal`.
 */
export const accountStatements = (user: string, host: string, tls: boolean): readonly string[] => {
  const account = quotedAccount(user, host);
  return [
    `CREATE USER IF NOT EXISTS ${account} IDENTIFIED BY '…'${tls ? ' REQUIRE SSL' : ''}`,
    `GRANT PROCESS, CONNECTION ADMIN ON *.* TO ${account}`,
    `GRANT SELECT ON mysql.global_priv TO ${account}`,
    `GRANT ALL PRIVILEGES ON coequal.* TO ${account} WITH GRANT OPTION`,
    // The first grant to PUBLIC makes it, which takes an administrator.
    'GRANT USAGE ON *.* TO PUBLIC',
  ];
};
