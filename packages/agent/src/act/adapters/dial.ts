/** A connection to a platform: outbound, TLS 1.3 alone, to whoever shows a certificate of the authority for the name that all platforms have. */
import { connect, type TLSSocket } from 'node:tls';
import type { LineAddress } from '@coequal/estate';
import { type Clock, codeOf, fail, reasonOf, within } from '@coequal/kernel';
import { lineName } from '@coequal/trust';
import { dialMs } from '../limits.ts';

export type Credentials = { readonly authority: string; readonly certificate?: string; readonly key?: string };

/** @throws LINE_UNUSABLE */
export const dial = async (
  { address, port }: LineAddress,
  { authority, certificate, key }: Credentials,
  clock: Clock,
): Promise<TLSSocket> => {
  const at = `${address}:${port}`;
  let socket: TLSSocket | undefined;
  try {
    const opened = connect({
      host: address,
      port,
      servername: lineName,
      ca: authority,
      minVersion: 'TLSv1.3',
      ...(certificate === undefined ? {} : { cert: certificate }),
      ...(key === undefined ? {} : { key }),
    });
    socket = opened;
    opened.setNoDelay(true);
    const connected = new Promise<void>((resolve, reject) => {
      opened.once('secureConnect', resolve);
      opened.once('error', reject);
    });
    await within(clock, { what: `A line to ${at}`, deadlineMs: dialMs }, connected);
    return opened;
  } catch (error) {
    socket?.on('error', () => undefined);
    socket?.destroy();
    throw fail('LINE_UNUSABLE', { address: at, ...explained(error) }, { cause: error });
  }
};

const explained = (error: unknown): { readonly reason: string; readonly advice: string } => {
  const code = codeOf(error) ?? '';
  if (code === 'CERT_NOT_YET_VALID' || code === 'CERT_HAS_EXPIRED')
    return {
      reason: `by the clock of this host its certificate ${code === 'CERT_HAS_EXPIRED' ? 'is over' : 'is not valid yet'}`,
      advice: 'Compare the clocks of both hosts: one of them is wrong by days.',
    };
  if (
    code.startsWith('CERT_') ||
    code.includes('SELF_SIGNED') ||
    code.includes('LEAF_SIGNATURE') ||
    code === 'ERR_TLS_CERT_ALTNAME_INVALID'
  )
    return {
      reason: 'it does not show a certificate of the authority',
      advice: 'See who listens there; nothing was said to it.',
    };
  return { reason: code === '' ? reasonOf(error) : code, advice: 'It is tried again, with pauses.' };
};
