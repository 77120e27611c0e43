/** A gateway of this host, over its control socket: one call to a connection, JSON lines, as `coequal gateway` asks it. */
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { type Clock, fail, within } from '@coequal/kernel';
import { z } from 'zod';
import type { GatewayHands } from '../ports.ts';

const answerBytes = 64 * 2 ** 20;
const askMs = 10_000;
/** A gateway that drains waits for its sessions. */
const drainMs = 300_000;

const answer = z.object({
  result: z.unknown().optional(),
  error: z.object({ code: z.string().max(100).optional(), message: z.string().max(10_000) }).optional(),
});
const status = z.object({
  state: z.string(),
  instances: z.array(z.object({ name: z.string(), draining: z.boolean() })).default([]),
});

export const gatewayHands = (name: string, stateFolder: string, agent: string, clock: Clock): GatewayHands => {
  const call = (method: string, params: object, deadlineMs: number) =>
    callSocket(
      name,
      join(stateFolder, 'control.sock'),
      { id: 1, method, params, by: `agent ${agent}` },
      deadlineMs,
      clock,
    );
  return {
    name,
    drain: async (instance, on) => {
      await call('drain', { instance, on, deadlineMs: null }, drainMs);
    },
    isDrained: async (instance) => {
      const seen = status.safeParse(await call('status', {}, askMs));
      if (!seen.success) throw fail('GATEWAY_NOT_ANSWERING', { name, reason: 'its status is none that is understood' });
      const { state, instances } = seen.data;
      if (instance === null) return state === 'draining' || state === 'drained';
      const one = instances.find((each) => each.name === instance);
      if (one === undefined)
        throw fail('ACTION_REFUSED', { reason: `the gateway ${name} knows no instance ${instance}` });
      return one.draining;
    },
  };
};

const callSocket = (name: string, path: string, call: object, deadlineMs: number, clock: Clock): Promise<unknown> => {
  const socket = createConnection(path);
  const heard = new Promise<unknown>((resolve, reject) => {
    let text = '';
    socket.setEncoding('utf8');
    socket.once('error', (cause) => reject(fail('GATEWAY_NOT_RUNNING', { name, folder: path }, { cause })));
    socket.once('close', () => reject(fail('GATEWAY_NOT_ANSWERING', { name, reason: 'it closed the connection' })));
    socket.on('data', (chunk: string) => {
      text += chunk;
      const end = text.indexOf('\n');
      if (end >= 0) resolve(text.slice(0, end));
      else if (text.length > answerBytes)
        reject(fail('GATEWAY_NOT_ANSWERING', { name, reason: 'its answer has no end' }));
    });
    socket.write(`${JSON.stringify(call)}\n`);
  });
  const wait = { what: `An answer of the gateway ${name}`, deadlineMs };
  return within(clock, wait, heard)
    .then((line) => resultOf(name, String(line)))
    .finally(() => socket.destroy());
};

const resultOf = (name: string, line: string): unknown => {
  const unheard = (reason: string) => fail('GATEWAY_NOT_ANSWERING', { name, reason });
  let read: z.infer<typeof answer>;
  try {
    read = answer.parse(JSON.parse(line));
  } catch (error) {
    throw fail('GATEWAY_NOT_ANSWERING', { name, reason: 'its answer cannot be read' }, { cause: error });
  }
  if (read.error !== undefined) throw unheard(read.error.message);
  return read.result;
};
