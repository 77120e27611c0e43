/**
 * How the command line and a lab's daemon talk: JSON lines over a Unix socket in the lab's folder, which only its
 * owner may enter. A call gets any number of `progress` lines and ends with `result` or `error`.
 */
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { CoequalError, type ErrorCode, type ErrorDetails, fail, isErrorCode, reasonOf } from '@coequal/kernel';

export type Progress = (value: unknown) => void;
export type Handler = (params: unknown, progress: Progress, gone: AbortSignal) => Promise<unknown>;

type Request = { readonly id: number; readonly method: string; readonly params: unknown };

/** A line longer than this is not ours. */
const lineLimit = 8 * 2 ** 20;

export const serveControl = (path: string, handlers: Readonly<Record<string, Handler>>): Promise<Server> => {
  const server = createServer((socket) => {
    const gone = new AbortController();
    socket.on('error', () => gone.abort());
    socket.on('close', () => gone.abort());
    const lines = createInterface({ input: socket });
    lines.on('line', (line) => void answer(socket, line, handlers, gone.signal));
    lines.on('error', () => socket.destroy());
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => resolve(server));
  });
};

const answer = async (
  socket: Socket,
  line: string,
  handlers: Readonly<Record<string, Handler>>,
  gone: AbortSignal,
): Promise<void> => {
  const request = line.length > lineLimit ? undefined : parseRequest(line);
  const write = (value: unknown) => {
    if (socket.writable) socket.write(`${JSON.stringify(value)}\n`);
  };
  const handler = request === undefined ? undefined : handlers[request.method];
  if (request === undefined || handler === undefined) {
    write({ id: request?.id ?? 0, error: { message: 'no such call' } });
    return;
  }
  // A reader that does not read loses progress, never the memory of the daemon.
  const progress: Progress = (value) => {
    if (!socket.writableNeedDrain) write({ id: request.id, progress: value });
  };
  try {
    write({ id: request.id, result: (await handler(request.params, progress, gone)) ?? null });
  } catch (error) {
    write({ id: request.id, error: describe(error) });
  }
};

const describe = (error: unknown) =>
  error instanceof CoequalError
    ? { code: error.code, details: error.details, message: error.message }
    : { message: error instanceof Error ? (error.stack ?? error.message) : String(error) };

const parseRequest = (line: string): Request | undefined => {
  const value = parseLine(line);
  if (typeof value['id'] !== 'number' || typeof value['method'] !== 'string') return undefined;
  return { id: value['id'], method: value['method'], params: value['params'] };
};

const parseLine = (line: string): Readonly<Record<string, unknown>> => {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
};

export type ControlClient = {
  readonly call: (method: string, params?: unknown, progress?: Progress) => Promise<unknown>;
  readonly close: () => void;
  /** Resolves when the other end is gone. */
  readonly closed: Promise<void>;
};

/** Connects to a daemon. Rejects with Node's error when nobody listens. */
export const openControl = (path: string, labName: string, logPath: string): Promise<ControlClient> =>
  new Promise((resolve, reject) => {
    const socket = createConnection(path);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(clientOf(socket, labName, logPath));
    });
  });

type Waiting = {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly progress: Progress | undefined;
};

const clientOf = (socket: Socket, labName: string, logPath: string): ControlClient => {
  const waiting = new Map<number, Waiting>();
  let nextId = 1;
  const ended = (reason: string) => fail('LAB_ENDED', { name: labName, reason, log: logPath });
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => {
      for (const call of waiting.values()) call.reject(ended('its daemon is gone.'));
      waiting.clear();
      resolve();
    });
  });
  // The close that follows an error ends all calls.
  socket.on('error', () => undefined);
  createInterface({ input: socket })
    .on('line', (line) => deliver(waiting, parseLine(line)))
    .on('error', () => socket.destroy());
  return {
    call: (method, params, progress) =>
      new Promise((resolve, reject) => {
        if (socket.destroyed) {
          reject(ended('its daemon is gone.'));
          return;
        }
        const id = nextId;
        nextId += 1;
        waiting.set(id, { resolve, reject, progress });
        socket.write(`${JSON.stringify({ id, method, params: params ?? null })}\n`);
      }),
    close: () => socket.destroy(),
    closed,
  };
};

const deliver = (waiting: Map<number, Waiting>, message: Readonly<Record<string, unknown>>): void => {
  const id = Number(message['id']);
  const call = waiting.get(id);
  if (call === undefined) return;
  if ('progress' in message) {
    call.progress?.(message['progress']);
    return;
  }
  waiting.delete(id);
  if ('error' in message) call.reject(parseError(message['error']));
  else call.resolve(message['result']);
};

const parseError = (value: unknown): Error => {
  const { code, details, message } =
    typeof value === 'object' && value !== null
      ? (value as { code?: unknown; details?: unknown; message?: unknown })
      : {};
  if (isErrorCode(code)) return fail(code satisfies ErrorCode, parseDetails(details));
  return new Error(reasonOf(message ?? 'the lab answered with an unknown error'));
};

const parseDetails = (value: unknown): ErrorDetails =>
  Object.fromEntries(
    Object.entries(typeof value === 'object' && value !== null ? value : {}).map(([key, detail]) => [
      key,
      String(detail),
    ]),
  );
