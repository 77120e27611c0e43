/** Asks a time-stamping authority over HTTP (RFC 3161, 3.4). A token is taken only when it holds against the authority that is trusted. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type Clock, CoequalError, fail, reasonOf, within } from '@coequal/kernel';
import { type Statement, stampedHash } from '../checkpoint.ts';
import { checkToken, type TimeStamp, timeStampRequest, tokenOfAnswer } from '../timestamp.ts';

export type TimeStamping = {
  readonly url: string;
  /** PEM of the authority that issued the certificate for time stamping. */
  readonly authority: string;
};

const deadlineMs = 15_000;
const longestAnswer = 65_536;

/** The token in base64. @throws TIME_STAMP_REFUSED */
export const stamp = async (
  { url, authority }: TimeStamping,
  statement: Statement,
  clock: Clock,
): Promise<{ readonly token: string; readonly stamp: TimeStamp }> => {
  const nonce = randomBytes(16);
  const hash = stampedHash(statement);
  const ending = new AbortController();
  try {
    const trusted = await readFile(authority, 'utf8');
    const wait = { what: 'Its answer', deadlineMs };
    const token = tokenOfAnswer(await within(clock, wait, ask(url, timeStampRequest(hash, nonce), ending.signal)));
    if (typeof token === 'string') throw refused(url, token);
    const found = checkToken(token, [trusted]);
    if (typeof found === 'string') throw refused(url, `its token does not hold: ${found}`);
    if (found.hashHex !== hash) throw refused(url, 'its token is of something else');
    if (found.nonceHex !== nonce.toString('hex').replace(/^(00)+(?=..)/, ''))
      throw refused(url, 'its token answers another request');
    return { token: token.toString('base64'), stamp: found };
  } catch (error) {
    if (error instanceof CoequalError && error.code === 'TIME_STAMP_REFUSED') throw error;
    throw refused(url, reasonOf(error), error);
  } finally {
    ending.abort();
  }
};

const ask = async (url: string, request: Buffer, signal: AbortSignal): Promise<Buffer> => {
  const answer = await fetch(url, {
    method: 'POST',
    body: new Uint8Array(request),
    headers: { 'content-type': 'application/timestamp-query', accept: 'application/timestamp-reply' },
    redirect: 'error',
    signal,
  });
  if (!answer.ok) throw new Error(`it answered ${answer.status}`);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of answer.body ?? []) {
    length += chunk.length;
    if (length > longestAnswer) throw new Error('its answer has no end');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
};

const refused = (url: string, reason: string, cause?: unknown) =>
  fail('TIME_STAMP_REFUSED', { url, reason }, { cause });
