/** Tells the agent of this machine of a change, as its webhook takes it. For the command line. */
import type { ChangeNotice } from '@coequal/contract';
import { type Clock, fail } from '@coequal/kernel';
import { HttpPeer } from '@coequal/signals/collecting';
import { answerBytes } from '../limits.ts';
import type { AgentSettings } from '../settings.ts';
import { mustBeReadable } from './files.ts';

export type ChangeToSend = {
  readonly agent: AgentSettings;
  /** What is left out, the agent fills in. */
  readonly notice: Pick<ChangeNotice, 'change' | 'text'> & Partial<ChangeNotice>;
};

export type ChangeSent = { readonly agent: string; readonly url: string };

const deadlineMs = 5_000;

/** @throws FILE_MISSING, FILE_UNREADABLE, AGENT_CHANGE_REFUSED */
export const sendChange = async ({ agent, notice }: ChangeToSend, clock: Clock): Promise<ChangeSent> => {
  const { listen, changesTokenFile: tokenFile, name } = agent;
  const host = listen.host.includes(':') ? `[${listen.host}]` : listen.host;
  const url = `http://${host}:${listen.port}`;
  await mustBeReadable(tokenFile, 'Start the agent once, which writes it, and run this as its user.');
  const peer = new HttpPeer({ url, clock, tokenFile });
  const answer = await peer.exchange({
    method: 'POST',
    path: '/api/v1/changes',
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify(notice)),
    deadlineMs,
    answerBytes,
  });
  peer.close();
  if (!answer.ok) throw fail('AGENT_CHANGE_REFUSED', { url, tokenFile, reason: answer.what });
  if (answer.status !== 202) {
    const said = new TextDecoder().decode(answer.body.subarray(0, 300)).trim();
    throw fail('AGENT_CHANGE_REFUSED', { url, tokenFile, reason: `it answers ${answer.status}: ${said}` });
  }
  return { agent: name, url };
};
