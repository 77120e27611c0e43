/**
 * Sessions without a database, for tests of everything around sessions: lines are answered with the session's number, how
 * many it has had, the worker's process and the line. `begin` and `end` stand for a transaction, `die` ends the
 * process as a bug would, `kill ID` ends another session, `fail` stands for a failed log-in and `blocked` asks about them.
 */
import type { Socket } from 'node:net';
import { journalKey } from '../acknowledgements.ts';
import { makeConnectionIds } from '../connection-ids.ts';
import type { DrainOptions, DrainResult, SessionService, SessionView, WorkerPorts } from '../ports.ts';

type State = { readonly id: number; count: number; open: boolean; rest: string };

type Session = { readonly socket: Socket; readonly state: State; readonly data: (chunk: Buffer) => void };

export type EchoLimits = { readonly connections: number; readonly connectionsPerUser: number };

export const openEcho = (ports: WorkerPorts, limits: EchoLimits): SessionService<Socket> => {
  const sessions = new Map<number, Session>();
  const nextId = makeConnectionIds(ports.slot, { next: () => 0, below: () => 0 }, (id) => sessions.has(id));
  let draining: DrainOptions<Socket> | undefined;
  let allGone: (() => void) | undefined;
  const result = { handedOver: 0, closed: 0, cut: 0 };

  const gone = (id: number): void => {
    if (!sessions.delete(id)) return;
    ports.leave('echo');
    if (sessions.size === 0) allGone?.();
  };

  const drainOne = ({ socket, state, data }: Session): void => {
    if (state.open || draining === undefined) return;
    socket.off('data', data);
    if (draining.handOver?.(socket, state) === true) {
      result.handedOver += 1;
      gone(state.id);
      return;
    }
    result.closed += 1;
    socket.end('closed\n');
  };

  const did = (line: string, address: string): string => {
    if (line === 'fail') ports.failures.note(address);
    return line === 'blocked' ? String(ports.failures.blocked(address)) : line;
  };

  const kill = async (id: number): Promise<string> => {
    const own = sessions.get(id);
    own?.socket.destroy();
    return own === undefined ? ports.killElsewhere(id, 'connection', { user: 'echo', privileged: false }) : 'done';
  };

  const takeTurns = async ({ room }: DrainOptions<Socket>): Promise<void> => {
    for (const session of [...sessions.values()]) {
      await room?.();
      if (sessions.has(session.state.id)) drainOne(session);
    }
  };

  const answer = (session: Session, line: string): void => {
    const { socket, state } = session;
    if (line === 'die') process.exit(7);
    state.open = line === 'begin' || (line !== 'end' && state.open);
    state.count += 1;
    ports.metrics.user('echo').requests.add();
    ports.acknowledge({
      key: journalKey(Buffer.from(String(state.id))),
      epoch: 1,
      sequence: state.count,
      outcome: 'committed',
      gtid: '',
    });
    const say = (word: string): void => void socket.write(`${state.id} ${state.count} ${process.pid} ${word}\n`);
    const target = /^kill (\d+)$/.exec(line)?.[1];
    if (target !== undefined) void kill(Number(target)).then(say);
    else say(did(line, socket.remoteAddress ?? ''));
    if (draining !== undefined) drainOne(session);
  };

  const hold = (socket: Socket, state: State): void => {
    const data = (chunk: Buffer): void => {
      const lines = (state.rest + chunk.toString()).split('\n');
      state.rest = lines.pop() ?? '';
      for (const line of lines) answer(session, line);
    };
    const session = { socket, state, data };
    sessions.set(state.id, session);
    socket.on('data', data);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => gone(state.id));
  };

  const greet = async (socket: Socket): Promise<void> => {
    if (!(await ports.admit('', limits.connections))) turnAway(socket, 'full');
    else if (!(await ports.admit('echo', limits.connectionsPerUser))) turnAway(socket, 'refused');
    else hold(socket, { id: nextId(), count: 0, open: false, rest: '' });
  };

  return {
    accept: (socket) => {
      void greet(socket);
    },
    resume: (socket, state) => {
      ports.rejoin('echo');
      hold(socket, state as State);
    },
    sessions: () => [...sessions.values()].map(viewOf),
    count: () => sessions.size,
    kill: (id) => {
      const session = sessions.get(id);
      session?.socket.destroy();
      return session === undefined ? 'unknown' : 'done';
    },
    drain: async (options): Promise<DrainResult> => {
      draining = options;
      const ended = new Promise<void>((resolve) => {
        allGone = resolve;
        if (sessions.size === 0) resolve();
      });
      const turns = takeTurns(options);
      await Promise.race([ended, ports.clock.sleep(options.deadlineMs)]);
      await turns;
      for (const { socket } of sessions.values()) {
        result.cut += 1;
        socket.destroy();
      }
      return result;
    },
    close: async () => {
      for (const { socket } of sessions.values()) socket.destroy();
    },
  };
};

const turnAway = (socket: Socket, word: string): void => {
  socket.write(`${word}\n`);
  socket.destroySoon();
};

const viewOf = ({ state, socket }: Session): SessionView => ({
  id: state.id,
  user: 'echo',
  client: `${socket.remoteAddress}:${socket.remotePort}`,
  tls: false,
  database: null,
  instance: 'bank-north',
  state: 'idle',
  sinceMs: 0,
  inTransaction: state.open,
  transactionMs: state.open ? 0 : null,
  notReplayable: null,
  journalBytes: 0,
  statements: state.count,
  transactions: 0,
  replays: 0,
});
