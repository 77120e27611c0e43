/**
 * The recipes for two addresses (docs/clients.md) as programs: those that know both addresses themselves and ask for the fate of
 * a transaction in doubt, and those of the kill test that know one name, behind which there are two addresses.
 */
import { fileURLToPath } from 'node:url';
import { findCompanion } from '@coequal/engines';
import {
  common,
  compileJava,
  type ForeignClientName,
  foreignClients,
  type Prepare,
  prepareNode,
  preparePython,
} from './foreign.ts';

const recipePath = (name: string): string => fileURLToPath(new URL(`./recipes/${name}`, import.meta.url));

const java =
  (way: 'url' | 'pool' | 'list'): Prepare =>
  async (kitchen) => {
    const { argv, version } = await compileJava(kitchen, recipePath('TwoAddresses.java'));
    return { argv: () => [...argv, 'TwoAddresses', way], environment: common, version };
  };

/** Both addresses are known to the program; each transaction is the same, and its fate is asked. */
export const listRecipes = {
  'jdbc-url': java('url'),
  'jdbc-pool': java('pool'),
  'jdbc-list': java('list'),
  mysql2: () => prepareNode('mysql2', recipePath('two_addresses.mjs')),
  pymysql: (kitchen) => preparePython(kitchen, recipePath('two_addresses.py')),
} as const satisfies Readonly<Record<string, Prepare>>;

export type ListRecipeName = keyof typeof listRecipes;

/**
 * One name with two addresses in DNS: what the programs of the kill test make of it, unchanged. Connector/J is not among them:
 * it tries the first address only, and has a URL with both.
 */
export const dnsClients: readonly ForeignClientName[] = [
  'mariadb-cli',
  'c',
  'python',
  'php',
  'perl',
  'mysql2',
  'mariadb-connector',
];

export const dnsPrepare = (name: ForeignClientName): Prepare => foreignClients[name];

/** A resolver that knows one name with two addresses, and nothing else. */
export const resolverArgv = async (
  name: string,
  addresses: readonly string[],
  options: Parameters<typeof findCompanion>[1],
): Promise<{ readonly argv: readonly string[]; readonly environment: Readonly<Record<string, string>> }> => {
  const found = await findCompanion('dnsmasq', options);
  const records = addresses.map((address) => `--host-record=${name},${address}`);
  return {
    argv: [
      found.files[0],
      ...['--keep-in-foreground', '--conf-file=/dev/null', '--no-resolv', '--no-hosts', '--no-daemon', '--user=root'],
      ...['--listen-address=127.0.0.1', '--bind-interfaces', '--port=53', '--pid-file='],
      ...records,
    ],
    environment: { ...found.environment },
  };
};
