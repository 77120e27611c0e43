/** The flags that say which key provider is meant, parsed into its settings; what is missing or foreign is refused by name. */
import { dirname, relative } from 'node:path';
import { fail } from '@coequal/kernel';
import { type ProviderSettings, providerSettings } from '@coequal/trust';
import type { Command } from 'commander';
import { oneOf } from '../values.ts';

const kinds = ['file', 'vault', 'pkcs11'] as const;

export type ProviderFlags = {
  readonly provider: (typeof kinds)[number];
  readonly masterFile?: string;
  readonly address?: string;
  readonly mount?: string;
  readonly key?: string;
  readonly tokenFile?: string;
  readonly authority?: string;
  readonly namespace?: string;
  readonly module?: string;
  readonly token?: string;
  readonly pinFile?: string;
  readonly tool?: string;
};

export const withProvider = (command: Command): Command =>
  command
    .requiredOption('--provider <kind>', 'file, vault or pkcs11', oneOf(kinds))
    .option('--master-file <file>', 'file: the master keys (RING.master unless given)')
    .option('--address <url>', 'vault: https://HOST:PORT')
    .option('--mount <path>', 'vault: where the transit engine is mounted (transit unless given)')
    .option('--token-file <file>', 'vault: file with the token, for its owner alone')
    .option('--authority <file>', "vault: PEM of the authority of its certificate (the system's unless given)")
    .option('--namespace <name>', 'vault: namespace')
    .option('--key <name>', 'vault: name of the key; pkcs11: beginning of the labels of its keys (coequal)')
    .option('--module <file>', 'pkcs11: library of the security module')
    .option('--token <label>', 'pkcs11: label of the token')
    .option('--pin-file <file>', 'pkcs11: file with the PIN, for its owner alone')
    .option('--tool <file>', 'pkcs11: the program pkcs11-tool (looked for in PATH unless given)');

/** Flags of each kind, with what stands for them when they are not given. */
const flagsOf: Readonly<Record<ProviderFlags['provider'], Readonly<Record<string, string | undefined>>>> = {
  file: { masterFile: undefined },
  vault: {
    address: undefined,
    mount: 'transit',
    key: 'coequal',
    tokenFile: undefined,
    authority: undefined,
    namespace: undefined,
  },
  pkcs11: { module: undefined, token: undefined, key: 'coequal', pinFile: undefined, tool: 'pkcs11-tool' },
};

const all = [...new Set(Object.values(flagsOf).flatMap((flags) => Object.keys(flags)))];

/** @throws COMMAND_USAGE */
export const providerFrom = (flags: ProviderFlags, ringPath: string, command: string): ProviderSettings => {
  const given = new Map(Object.entries(flags).filter(([name]) => all.includes(name)));
  const own = flagsOf[flags.provider];
  for (const name of given.keys())
    if (!(name in own)) throw usage(command, `--${dashed(name)} is not for the ${flags.provider} provider.`);
  const values = Object.entries(own).flatMap(([name, usual]) => {
    const value = given.get(name) ?? usual;
    return value === undefined ? [] : [[name, value] as const];
  });
  const { masterFile, ...rest } = Object.fromEntries(values);
  const master = relative(dirname(ringPath), masterFile ?? `${ringPath}.master`);
  const settings = flags.provider === 'file' ? { path: master } : rest;
  const parsed = providerSettings.safeParse({ kind: flags.provider, ...settings });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const name = String(issue?.path[0] ?? 'provider');
  const problem = given.has(name)
    ? (issue?.message ?? 'is not usable')
    : `is needed for the ${flags.provider} provider`;
  throw usage(command, `--${dashed(name)} ${problem}.`);
};

const dashed = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

const usage = (command: string, problem: string) =>
  fail('COMMAND_USAGE', { problem, help: `coequal key ${command} --help` });
