/** Stand-in until the real one is there. */
export const guardNames = (_: Buffer): string[] => [];
export const tablesWritten = (_: Buffer): { schema?: string; table: string }[] => [];
export const alterTarget = (_: Buffer): { schema?: string; table: string; instant: boolean } | undefined => undefined;
export const killTarget = (_: Buffer): { id: number; what: 'query' | 'connection' } | undefined => undefined;
export const outcomeQuestion = (_: Buffer): { kind: 'session' } | { kind: 'outcome'; key: string } | undefined =>
  undefined;
export const rewriteRowCount = (sql: Buffer, _: bigint): Buffer => sql;
export const showWarnings = (_: Buffer): string | undefined => undefined;
