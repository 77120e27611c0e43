/** What a statement is, by its text. Texts come without literals; comments may be gone or not. */

const schemaStatement =
  /^\s*(\/\*.*?\*\/\s*)?(alter\s+table|create\s+(unique\s+|fulltext\s+)?index|drop\s+(index|table)|optimi[sz]e\s+table|truncate|rename\s+table|create\s+or\s+replace\s+table)/i;
const dumpText = /sql_no_cache|flush tables with read lock|flush no_write_to_binlog tables|backup stage/i;
const dumpUser = /backup|dump|mariabackup|pgbackrest|barman/i;

/** Whether it changes a table's shape. */
export const isSchemaStatement = (text: string): boolean => schemaStatement.test(text);

/** Whether a backup says it. */
export const isDump = (user: string, statement: string): boolean =>
  dumpText.test(statement) || (dumpUser.test(user) && statement !== '');
