/**
 * Prepared statements of a session: the client keeps the number that it was given first, each instance has a number of its
 * own. A statement outlives its closing as long as a transaction that used it may have to be sent again.
 */
import type { Statement } from '../sql/statement.ts';

export type Prepared = {
  /** The number the client knows. */
  readonly id: number;
  readonly sql: Buffer;
  readonly statement: Statement;
  /** The packet that prepared it. */
  readonly raw: Buffer;
  parameters: number;
  columns: number;
  /** Types of the parameters as they were sent last, for executions that leave them out; null: not sent yet. */
  types: Buffer | null;
  /** The types that the present instance was told last; null: none. */
  instanceTypes: Buffer | null;
  /** The number on the instance that the session is at now; null: not prepared there. */
  instanceId: number | null;
  /** Long data that waits for the next execution, as it came. */
  longData: Buffer[];
  /**
   * `open`: a repetition opens it again; `orphaned`: what opened it has committed, only the present instance has it; `lost`: it went
   * down with an instance, and whoever asks for more of it has to be told.
   */
  cursor: 'none' | 'open' | 'orphaned' | 'lost';
  closed: boolean;
};
