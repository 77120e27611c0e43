/**
 * Records what a command does that no running process does for it: in a chain of its own beside the file it changes. It is recorded
 * before it is done and again with how it ended; what cannot be recorded is not done. With an `audit` section in the estate the
 * checkpoint is anchored, stamped and sent on before the command ends.
 */
import type { AuditPlan } from '@coequal/estate';
import { CoequalError, codeOf } from '@coequal/kernel';
import { type AuditDetails, AuditKeeper, openChain, sha256Hex } from '@coequal/trust';
import type { World } from '../world.ts';

export type Recorded = {
  /** The file that is changed: its chain lies in `FILE.audit`. */
  readonly path: string;
  readonly action: string;
  readonly target: string;
  readonly details?: AuditDetails;
  readonly audit?: AuditPlan | undefined;
};

export const auditFolderBeside = (path: string): string => `${path}.audit`;

/** @throws AUDIT_UNWRITABLE, and what `run` throws */
export const recorded = async <T>(world: World, what: Recorded, run: () => Promise<T>): Promise<T> => {
  const { path, action, target, details, audit } = what;
  const place = {
    folder: auditFolderBeside(path),
    // One name for one file of one host, also among the anchors of an estate.
    chain: `keys-${sha256Hex(`${world.hostName}\n${path}`).slice(0, 16)}`,
    keyFile: `${path}.audit-key`,
  };
  const chain = await openChain(place, world.clock);
  const { checkpointMs: everyMs = 60_000, ...duties } = audit ?? {};
  const tell = (duty: string, reason: string | undefined): void => {
    if (reason !== undefined) world.tell(`coequal: The audit goes on, but its ${duty} failed: ${reason}\n`);
  };
  const ports = { clock: world.clock, hostName: world.hostName, tell };
  const keeper = new AuditKeeper(chain, { everyMs, ...duties }, ports);
  const entry = { actor: `os:${world.user}`, action, target, ...(details === undefined ? {} : { details }) };
  try {
    await chain.write({ ...entry, result: 'asked' });
    const answer = await run().catch(async (error: unknown) => {
      const refused = error instanceof CoequalError && error.kind === 'user';
      await chain.write({ ...entry, result: refused ? 'refused' : 'failed', reason: codeOf(error) ?? 'BUG' });
      throw error;
    });
    await chain.write({ ...entry, result: 'done' });
    return answer;
  } finally {
    await keeper.close();
  }
};
