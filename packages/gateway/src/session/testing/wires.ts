/**
 * Wires between a gateway and its instances that fail where a test says: before a command reaches the instance, after the
 * instance has carried it out and before its answer comes back, in the middle of an answer. They follow the protocol in both
 * directions, so a loss is exact, and nothing waits for a clock.
 */
import { type AddressInfo, createServer, type Server } from 'node:net';
import type { InstanceTarget } from '../../settings.ts';
import { type Command, type Fault, Wire } from './wire.ts';

export type { Command, Fault } from './wire.ts';

export type Trap = {
  /** It has happened. */
  readonly sprung: Promise<Command>;
  /** For `hold` and `silence`: lets go of what was kept, and waits until the instance has answered it. */
  readonly release: () => Promise<void>;
};

export type Wires = {
  readonly targets: readonly InstanceTarget[];
  /** The next command that this is true of meets the fault; once. */
  readonly on: (when: (command: Command) => boolean, fault: Fault) => Trap;
  /** Drops all connections, or those to one instance. */
  readonly cut: (instance?: string) => void;
  /** New connections are dropped before the greeting. */
  readonly refuse: (instance: string, on: boolean) => void;
  /** Connections that are open now. */
  readonly count: (instance?: string) => number;
  /** Everything the gateway has sent since `forget`. */
  readonly commands: readonly Command[];
  readonly forget: () => void;
  /** Bytes that instances have sent and that the gateway has not taken, kept here. */
  readonly waitingBytes: () => number;
  readonly close: () => Promise<void>;
};

export const openWires = async (targets: readonly InstanceTarget[]): Promise<Wires> => {
  const wires = new Set<Wire>();
  const servers: Server[] = [];
  const refused = new Set<string>();
  const commands: Command[] = [];
  const traps: { when: (command: Command) => boolean; fault: Fault; wire: (wire: Wire, command: Command) => void }[] =
    [];
  const take = (wire: Wire, command: Command): Fault | null => {
    commands.push(command);
    const index = traps.findIndex(({ when }) => when(command));
    const [trap] = index < 0 ? [] : traps.splice(index, 1);
    if (trap === undefined) return null;
    trap.wire(wire, command);
    return trap.fault;
  };
  const open = async (target: InstanceTarget): Promise<InstanceTarget> => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      if (refused.has(target.name)) {
        socket.destroy();
        return;
      }
      const wire: Wire = new Wire(socket, target, (command) => take(wire, command));
      wires.add(wire);
      void wire.closed.then(() => wires.delete(wire));
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { ...target, host: '127.0.0.1', port: (server.address() as AddressInfo).port };
  };
  const those = (instance?: string): readonly Wire[] =>
    [...wires].filter((wire) => wire.near && (instance === undefined || wire.instance === instance));
  return {
    targets: await Promise.all(targets.map(open)),
    on: (when, fault) => {
      const found = Promise.withResolvers<Wire>();
      const sprung = Promise.withResolvers<Command>();
      traps.push({
        when,
        fault,
        wire: (wire, command) => {
          found.resolve(wire);
          wire.sprung.then(() => sprung.resolve(command));
        },
      });
      return { sprung: sprung.promise, release: async () => (await found.promise).release() };
    },
    cut: (instance) => {
      for (const wire of those(instance)) wire.cut();
    },
    refuse: (instance, on) => {
      if (on) refused.add(instance);
      else refused.delete(instance);
    },
    count: (instance) => those(instance).length,
    commands,
    forget: () => {
      commands.length = 0;
    },
    waitingBytes: () => [...wires].reduce((sum, wire) => sum + wire.waitingBytes, 0),
    close: async () => {
      for (const wire of wires) wire.destroy();
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    },
  };
};

// Which command is meant.

/** A text, or the text of the prepared statement that is executed. */
export const sql =
  (pattern: RegExp) =>
  ({ text, code }: Command): boolean =>
    code !== 'prepare' && pattern.test(text);

/** The outcome row, on its way. */
export const outcomeRow = ({ text, code }: Command): boolean => code === 'execute' && /coequal\.record/.test(text);

/** The last command of a flight that wraps a single write. */
export const wrapEnd = ({ text }: Command): boolean => text.startsWith('SET @@SESSION.autocommit=1');
