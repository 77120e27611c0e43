/** Whether a request was meant for this platform. A page elsewhere that a browser here shows can send requests to loopback; its origin, or the name it used, gives it away. */
import { isLoopback } from '@coequal/estate';
import type { Headers } from './route.ts';

export const isForUs = (headers: Headers, own: string | undefined): boolean => {
  if (own !== undefined && headers['host'] === new URL(own).host)
    return headers['origin'] === undefined || headers['origin'] === own;
  const name = hostName(typeof headers['host'] === 'string' ? headers['host'] : '');
  if (name !== 'localhost' && !isLoopback(name)) return false;
  const { origin } = headers;
  if (origin === undefined) return true;
  if (typeof origin !== 'string' || !URL.canParse(origin)) return false;
  const from = new URL(origin).hostname.replaceAll(/[[\]]/g, '');
  return from === 'localhost' || isLoopback(from);
};

const hostName = (host: string): string =>
  host.startsWith('[') ? host.slice(1, host.indexOf(']')) : (host.split(':')[0] ?? '');
