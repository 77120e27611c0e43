/**
 * What of a machine is the host that is told of. Usually all of it; where several hosts share a machine, a control group and the
 * devices, file systems and interfaces that were named: figures of the whole machine would be those of all of them.
 */
export type HostScope = {
  /** False: nothing is told of the processors, memory and load of the whole machine. */
  readonly wholeMachine: boolean;
  /** A control group by its path; the own one unless named. */
  readonly cgroup?: string | undefined;
  /** Undefined: all. */
  readonly devices?: readonly string[] | undefined;
  readonly mounts?: readonly string[] | undefined;
  readonly interfaces?: readonly string[] | undefined;
};

export const wholeMachine: HostScope = { wholeMachine: true };

/** What a name must be to be told; undefined: any. */
export type Named = ReadonlySet<string> | undefined;

export const namedIn = (names: readonly string[] | undefined): Named =>
  names === undefined ? undefined : new Set(names);
