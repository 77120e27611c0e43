/** A real service, a gateway in front of it over wires that fail when told to, and what tests of sessions ask again and again. */
import { type AddressInfo, createServer } from 'node:net';
import { systemClock, until, within } from '@coequal/kernel';
import { openStand, type Stand } from '../../instances/testing.ts';
import { RawClient, type RawOptions, type Result } from './raw-client.ts';
import { serveWired, type Wired } from './served.ts';

export type Scene = Wired & {
  readonly stand: Stand;
  /** A connection to an instance, without the gateway. */
  readonly direct: (index?: number, options?: Partial<RawOptions>) => Promise<RawClient>;
  /** A new table with these columns; its name. */
  readonly table: (columns: string) => Promise<string>;
  /** Rows as an instance has them that no session is usually at, each as one text. */
  readonly rows: (sql: string) => Promise<readonly string[]>;
  readonly run: (...texts: readonly string[]) => Promise<void>;
  /** Another gateway in front of the same service. */
  readonly another: (change?: Parameters<typeof serveWired>[1]) => Promise<Wired>;
  /** Every event of this kind so far. */
  readonly told: (event: string) => readonly object[];
  readonly close: () => Promise<void>;
};

export type SceneChange = Parameters<typeof serveWired>[1];

export const openScene = async (network: number, change: SceneChange = {}): Promise<Scene> => {
  const stand = await openStand(network);
  try {
    await stand.administer(0, "GRANT CREATE ROUTINE, ALTER ROUTINE, EXECUTE ON bank.* TO app@'%'");
    const gateway = await serveWired(stand, change);
    return sceneOf(stand, gateway);
  } catch (error) {
    await stand.close();
    throw error;
  }
};

const sceneOf = async (stand: Stand, gateway: Wired): Promise<Scene> => {
  const opened: RawClient[] = [];
  const others: Wired[] = [];
  let tables = 0;
  const direct: Scene['direct'] = async (index = 0, options = {}) => {
    const at = stand.settings.instances[index];
    if (at === undefined) throw new Error(`no instance ${index}`);
    const client = await RawClient.open({ host: at.host, port: at.port, ...options });
    opened.push(client);
    return client;
  };
  const looking = await direct(2);
  const run: Scene['run'] = async (...texts) => {
    for (const text of texts) succeeded(await looking.query(text));
  };
  return {
    ...gateway,
    stand,
    direct,
    run,
    table: async (columns) => {
      tables += 1;
      const name = `t${tables}`;
      await run(`CREATE TABLE ${name} (${columns})`);
      return name;
    },
    rows: async (sql) => rowsOf(await looking.query(sql)),
    another: async (other = {}) => {
      const made = await serveWired(stand, other);
      others.push(made);
      return made;
    },
    told: (event) => gateway.events.filter((one) => one.event === event),
    close: async () => {
      for (const client of opened) client.close();
      for (const other of others) await other.close();
      await gateway.close();
      await stand.close();
    },
  };
};

/** @throws the error that is among them */
export const succeeded = (results: readonly Result[]): readonly Result[] => {
  for (const result of results)
    if ('error' in result) throw new Error(`${result.error.number}: ${result.error.message}`);
  return results;
};

/** The rows of the first result, each as one text. */
export const rowsOf = (results: readonly Result[]): readonly string[] => {
  const [first] = succeeded(results);
  return first !== undefined && 'rows' in first ? first.rows.map((row) => row.map(String).join(' ')) : [];
};

/** How an answer ended, in a few words: `ok 1 7`, `error 1213 40001`, `rows 3`. */
export const briefly = (results: readonly Result[]): string =>
  results
    .map((result) => {
      if ('error' in result) return `error ${result.error.number} ${result.error.state}`;
      if ('rows' in result) return `rows ${result.rows.map((row) => row.join(' ')).join(', ')}`.trimEnd();
      return `ok ${result.ok.affected} ${result.ok.insertId}`;
    })
    .join('; ');

export const messageOf = (results: readonly Result[]): string => {
  const last = results.at(-1);
  return last !== undefined && 'error' in last ? last.error.message : '';
};

/** A wait that ends the test with words instead of letting it hang. */
export const soon = <T>(what: string, promise: Promise<T>): Promise<T> =>
  within(systemClock, { what, deadlineMs: 20_000 }, promise);

export const eventually = (what: string, probe: () => Promise<boolean> | boolean): Promise<unknown> =>
  until(systemClock, { what, deadlineMs: 20_000, everyMs: 10 }, async () => (await probe()) || undefined);

/** A port that nothing listens on. */
export const freePort = async (): Promise<number> => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
};
