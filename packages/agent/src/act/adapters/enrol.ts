/** Enrolment: a new key, a request for a certificate of it, a secret for once; what comes back is the agent's identity from then on. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { fromPlatform, type Invitation, LineReader } from '@coequal/contract';
import { type Clock, codeOf, fail, reasonOf, within } from '@coequal/kernel';
import { makeRequest, writeSecretFile } from '@coequal/trust';
import { dialMs } from '../limits.ts';
import { dial } from './dial.ts';
import { identityFile } from './identity.ts';

export type EnrolOptions = {
  readonly invitation: Invitation;
  /** A second one, of another person, for an agent that was enrolled before. */
  readonly second: Invitation | undefined;
  readonly agent: string;
  readonly stateFolder: string;
  readonly clock: Clock;
};

const again = 'Ask for a new invitation: `coequal platform invite`.';

/** Answers which platform it was. @throws ENROLMENT_REFUSED, LINE_UNUSABLE, FOLDER_UNWRITABLE */
export const enrol = async ({ invitation, second, agent, stateFolder, clock }: EnrolOptions): Promise<string> => {
  for (const one of second === undefined ? [invitation] : [invitation, second]) {
    if (one.agent !== agent)
      throw fail('ENROLMENT_REFUSED', {
        reason: `the invitation is for ${one.agent}, not for ${agent}`,
        advice: again,
      });
    if (one.authority !== invitation.authority)
      throw fail('ENROLMENT_REFUSED', { reason: 'both invitations are not of one authority', advice: again });
  }
  await makeRoom(stateFolder);
  const { request, key } = await makeRequest(agent);
  const secrets = [invitation.secret, ...(second === undefined ? [] : [second.secret])];
  let last: unknown;
  for (const platform of invitation.platforms) {
    let socket: TLSSocket;
    try {
      socket = await dial(platform, { authority: invitation.authority }, clock);
    } catch (error) {
      last = error;
      continue;
    }
    const issued = await ask(socket, `${JSON.stringify({ kind: 'enrol', secrets, request })}\n`, clock);
    await writeSecretFile(identityFile(stateFolder), `${JSON.stringify({ ...issued, key })}\n`);
    return `${platform.address}:${platform.port}`;
  }
  throw last;
};

/** Before anything is asked: an invitation counts once, and what comes back must find its place. */
const makeRoom = async (stateFolder: string): Promise<void> => {
  const path = join(stateFolder, 'enrolling');
  try {
    await mkdir(stateFolder, { recursive: true, mode: 0o700 });
    await writeFile(path, '', { mode: 0o600 });
    await rm(path);
  } catch (error) {
    const advice = 'Make it, or give the agent another `stateFolder` in the estate; nothing was asked of the platform.';
    throw fail('FOLDER_UNWRITABLE', { path: stateFolder, reason: reasonOf(error), advice }, { cause: error });
  }
};

const ask = async (socket: TLSSocket, line: string, clock: Clock) => {
  const reader = new LineReader();
  const answer = new Promise<{ certificate: string; authority: string }>((resolve, reject) => {
    const refuse = (reason: string): void => reject(fail('ENROLMENT_REFUSED', { reason, advice: again }));
    socket.on('data', (chunk: Buffer) => {
      const read = reader.read(chunk);
      if (!read.ok) return refuse(read.reason);
      for (const value of read.values) {
        const parsed = fromPlatform.safeParse(value);
        if (!parsed.success) return refuse('the answer was not understood');
        if (parsed.data.kind === 'refused') return refuse(parsed.data.reason);
        if (parsed.data.kind === 'issued') {
          const { certificate, authority } = parsed.data;
          resolve({ certificate, authority });
        }
      }
    });
    socket.on('error', (error) => refuse(codeOf(error) ?? 'the line broke'));
    socket.on('close', () => refuse('the platform hung up'));
    socket.write(line);
  });
  try {
    return await within(clock, { what: 'The answer to the enrolment', deadlineMs: dialMs }, answer);
  } finally {
    socket.end();
  }
};
