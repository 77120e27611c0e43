/** Asks a running gateway over its control socket: one call to a connection. */
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { type Clock, fail, within } from '@coequal/kernel';
import { type Call, lineOf, parseLine } from '../control-lines.ts';
import { revivedError } from '../told-error.ts';
import { readLines } from './control-server.ts';

/** The socket of a gateway, in its state folder. */
export const controlSocketIn = (stateFolder: string): string => join(stateFolder, 'control.sock');

/** A status of many instances and sessions is long. */
const longestAnswer = 64 * 2 ** 20;

/** @throws GATEWAY_NOT_RUNNING, GATEWAY_NOT_ANSWERING, DEADLINE_PASSED, and the error the gateway answers with */
export const callGateway = (
  clock: Clock,
  gateway: { readonly name: string; readonly stateFolder: string },
  { method, ...params }: Call,
  deadlineMs: number,
  by: string,
): Promise<unknown> => {
  const { name, stateFolder } = gateway;
  const socket = createConnection(controlSocketIn(stateFolder));
  const unheard = (reason: string): Error => fail('GATEWAY_NOT_ANSWERING', { name, reason });
  const answer = new Promise<unknown>((resolve, reject) => {
    socket.once('error', (cause) => reject(fail('GATEWAY_NOT_RUNNING', { name, folder: stateFolder }, { cause })));
    socket.once('close', () => reject(unheard('it closed the connection')));
    readLines(
      socket,
      (line) => {
        const { error, result } = parseLine(line);
        if (error === undefined) resolve(result);
        else reject(revivedError(error, unheard));
      },
      longestAnswer,
    );
    socket.write(lineOf({ id: 1, method, params, by }));
  });
  const wait = { what: `An answer of the gateway ${name}`, deadlineMs, advice: 'Its machine may be overloaded.' };
  return within(clock, wait, answer).finally(() => socket.destroy());
};
