/**
 * What a platform keeps about agents that act: its authority, invitations, and which certificates count. Files that are readable by their owner
 * alone; an invitation is used up by removing its file, which only one of several can do. Commands on the same machine write here while the
 * platform runs.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, codeOf, fail } from '@coequal/kernel';
import { type Authority, makeAuthority, readPrivate, sha256Hex, writeSecretFile } from '@coequal/trust';
import { z } from 'zod';
import type { AgentRecord, InvitationRecord } from '../enrolment.ts';
import { handsLimits } from '../limits.ts';

const name = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/);
const authority = z.object({ name: z.string(), certificate: z.string(), key: z.string() });
const invitation = z.object({ agent: name, by: z.string().max(128), untilMs: z.number() });
const record = z.object({
  agent: name,
  enrolledMs: z.number(),
  certificates: z.array(z.string()).max(2),
  revoked: z.boolean(),
});

export type HandsFolder = {
  /** Made the first time. */
  readonly authority: (name: string) => Promise<Authority>;
  /** Answers the secret, which is nowhere else. */
  readonly invite: (invitation: InvitationRecord) => Promise<string>;
  readonly invitation: (secret: string) => Promise<InvitationRecord | undefined>;
  /** False: somebody else was quicker. */
  readonly use: (secret: string) => Promise<boolean>;
  readonly record: (agent: string) => Promise<AgentRecord | undefined>;
  readonly records: () => Promise<readonly AgentRecord[]>;
  /** Another value whenever a record may have changed. */
  readonly mark: () => Promise<string>;
  readonly write: (record: AgentRecord) => Promise<void>;
};

/** @throws FOLDER_UNWRITABLE */
export const openHandsFolder = async (stateFolder: string, clock: Clock): Promise<HandsFolder> => {
  const folder = join(stateFolder, 'hands');
  const [agents, invitations] = [join(folder, 'agents'), join(folder, 'invitations')];
  for (const path of [agents, invitations]) await mkdir(path, { recursive: true, mode: 0o700 });
  const recordAt = (agent: string) => read(join(agents, `${name.parse(agent)}.json`), record);
  const invitationAt = (secret: string) => join(invitations, `${sha256Hex(secret)}.json`);
  return {
    authority: async (own) => {
      const path = join(folder, 'authority.json');
      const found = await read(path, authority);
      if (found !== undefined) return found;
      const made = await makeAuthority(own, { days: handsLimits.authorityDays, clock });
      await writeSecretFile(path, `${JSON.stringify(made)}\n`);
      return made;
    },
    invite: async (one) => {
      const secret = randomBytes(32).toString('base64url');
      await writeSecretFile(invitationAt(secret), `${JSON.stringify(one)}\n`);
      return secret;
    },
    invitation: (secret) => read(invitationAt(secret), invitation),
    use: async (secret) => {
      try {
        await unlink(invitationAt(secret));
        return true;
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return false;
        throw error;
      }
    },
    record: recordAt,
    records: async () => {
      const files = (await readdir(agents)).filter((file) => file.endsWith('.json')).sort();
      const all = await Promise.all(files.map((file) => recordAt(file.slice(0, -'.json'.length))));
      return all.flatMap((one) => one ?? []);
    },
    mark: async () => String((await stat(agents, { bigint: true })).mtimeNs),
    write: (one) => writeSecretFile(join(agents, `${one.agent}.json`), `${JSON.stringify(one)}\n`),
  };
};

const read = async <T>(path: string, shape: z.ZodType<T>): Promise<T | undefined> => {
  const unreadable = (reason: string, cause?: unknown) => fail('FILE_UNREADABLE', { path, reason }, { cause });
  const text = await readPrivate(path, unreadable);
  if (text === undefined) return undefined;
  try {
    return shape.parse(JSON.parse(text));
  } catch (error) {
    throw unreadable('it is not of this version', error);
  }
};
