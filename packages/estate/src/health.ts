/**
 * The named states of an instance, as an operator would say them. They are observed over SQL and from logs,
 * never from the process alone: a live process may be cut off, and a live socket may never answer.
 */

export type InstanceState =
  /** Reads and writes: a Synced member of the Primary component. */
  | 'serving'
  /** A member with all data, applying the last write sets. */
  | 'catching-up'
  /** Giving its data to another; serves reads and writes unless the transfer blocks it. */
  | 'donating'
  /** Receiving data (incremental or full); does not serve. */
  | 'joining'
  /** The process is up and has not answered yet. */
  | 'starting'
  /** Answers, later than it should. */
  | 'slow'
  /** Accepts or holds connections and does not answer within the deadline. */
  | 'silent'
  /** Answers, without a majority of the votes: refuses reads and writes. */
  | 'isolated'
  /** Refuses the connection, or is not there. */
  | 'gone'
  /** Ended in order, with a position on disk. */
  | 'stopped'
  /** Something else answers at the address: another cluster, another server, wrong credentials. */
  | 'foreign';

/** States in which the instance serves reads and writes. */
export const serves = (state: InstanceState): boolean =>
  state === 'serving' || state === 'donating' || state === 'slow' || state === 'catching-up';
