/**
 * `coequal key …`: key rings, from the terminal of whoever looks after them. A ring holds the keys that seal data, wrapped by a key
 * provider (a file, Vault or a security module). No command prints a key.
 */
import { fail } from '@coequal/kernel';
import {
  type AuditDetails,
  ensureKey,
  type KeyPorts,
  makeRing,
  moveRing,
  openFile,
  openRing,
  purposePattern,
  type RingStatus,
  retireKey,
  retireVersions,
  rewrapRing,
  ringStatus,
  rotateDataKeys,
  sealFile,
  tenantPattern,
  upgradeSealedStore,
} from '@coequal/trust';
import { type Command, InvalidArgumentError } from 'commander';
import { exitCodes } from '../failure.ts';
import type { Outcome } from '../program.ts';
import { formatTable } from '../table.ts';
import type { World } from '../world.ts';
import { type ProviderFlags, providerFrom, withProvider } from './key-provider.ts';
import { recorded } from './record.ts';

type Flags = { readonly json?: true };

export const addKeyCommands = (program: Command, world: World, outcome: Outcome): void => {
  const key = program
    .command('key')
    .summary('keys that seal data at rest')
    .description(
      'A key ring is a file with data keys for purposes and tenants, each wrapped by a key provider: a file for one machine, the transit engine of ' +
        'Vault, or a security module (PKCS#11). docs/security.md says what protects what.',
    );
  addMaking(key, world);
  addStatus(key, world, outcome);
  addRotation(key, world);
  addRetirement(key, world, outcome);
  addFiles(key, world);
};

/** Recorded beside the ring, also what was refused. */
const onRing = async <T>(
  world: World,
  action: string,
  path: string,
  details: AuditDetails,
  run: () => Promise<T>,
): Promise<T> => {
  // Without a ring there is nothing to do, and no place for a record.
  if (action !== 'init' && (await world.present([path])).length === 0) return run();
  return recorded(world, { path, action: `key.${action}`, target: `ring ${path}`, details }, run);
};

const portsOf = (world: World): KeyPorts => ({ clock: world.clock, environment: world.environment });

const addMaking = (key: Command, world: World): void => {
  withProvider(key.command('init'))
    .summary('make a key ring')
    .description(
      'Makes a key ring. If the file is the key of a sealed store from before there were rings, it becomes a ring, and the store stays readable. ' +
        'With a file provider the master keys are made beside it.',
    )
    .argument('<ring>', 'file of the ring')
    .option('--json', 'print {ring, provider, upgraded}')
    .addHelpText('after', '\nExample: coequal key init /etc/coequal/bank.ring --provider file')
    .action(async (ring: string, flags: Flags & ProviderFlags) => {
      const path = world.files.absolute(ring);
      const provider = providerFrom(flags, path, 'init');
      const upgraded = await onRing(world, 'init', path, { provider: provider.kind }, async () => {
        const was = await upgradeSealedStore(path, provider, portsOf(world));
        if (!was) await makeRing(path, provider, portsOf(world));
        return was;
      });
      const text = upgraded
        ? `${ring} is a key ring now. Its store opens as before, and is written anew at its next change.`
        : `${ring} is a key ring without keys yet; the first thing that is sealed for a purpose makes one.`;
      say(world, flags, { ring: path, provider: provider.kind, upgraded }, text);
    });
  withProvider(key.command('move'))
    .summary('wrap all keys by another provider')
    .description(
      'Wraps every data key of the ring by another provider. What was sealed stays as it is. Copies of the old ring still open with the old ' +
        'provider: destroy both when the new one has proved itself.',
    )
    .argument('<ring>', 'file of the ring')
    .option('--json', 'print {ring, provider, moved}')
    .addHelpText(
      'after',
      '\nExample: coequal key move bank.ring --provider vault --address https://vault.example:8200 --key coequal --token-file /run/coequal/vault.token',
    )
    .action(async (ring: string, flags: Flags & ProviderFlags) => {
      const path = world.files.absolute(ring);
      const provider = providerFrom(flags, path, 'move');
      const details = { provider: provider.kind };
      const moved = await onRing(world, 'move', path, details, () => moveRing(path, provider, portsOf(world)));
      say(
        world,
        flags,
        { ring: path, provider: provider.kind, moved },
        `${keys(moved)} wrapped by the ${provider.kind} provider now.`,
      );
    });
};

const addStatus = (key: Command, world: World, outcome: Outcome): void => {
  key
    .command('status')
    .summary('what a ring holds, and whether its provider answers')
    .description('Lists the keys of a ring with their states. Exit 0: its provider answers; 1: it does not.')
    .argument('<ring>', 'file of the ring')
    .option('--json', 'print {path, provider, versions, trouble, keys:[…]}')
    .addHelpText('after', '\nExample: coequal key status /etc/coequal/bank.ring')
    .action(async (ring: string, flags: Flags) => {
      const status = await ringStatus(world.files.absolute(ring), portsOf(world));
      const { versions, trouble, ...rest } = status;
      say(world, flags, { ...rest, versions: versions ?? null, trouble: trouble ?? null }, statusText(status));
      outcome.code = trouble === undefined ? exitCodes.good : exitCodes.no;
    });
};

const statusText = ({ provider, versions, trouble, keys: held }: RingStatus): string => {
  const where =
    versions === undefined
      ? `Provider ${provider} cannot be used: ${trouble}`
      : `Provider ${provider}: ${versions.place}, versions ${versions.oldest} to ${versions.newest}`;
  const columns = [
    { title: 'key' },
    { title: 'purpose' },
    { title: 'tenant' },
    { title: 'state' },
    { title: 'made' },
    { title: 'version', right: true },
  ];
  const rows = held.map(({ id, purpose, tenant, state, madeAt, version }) => [
    ...[id, purpose, tenant ?? '', state],
    madeAt.slice(0, 16).replace('T', ' '),
    version === undefined ? '' : String(version),
  ]);
  return [where, ...(held.length === 0 ? ['It holds no key yet.'] : ['', ...formatTable(columns, rows)])].join('\n');
};

const addRotation = (key: Command, world: World): void => {
  key
    .command('rotate')
    .summary('new keys from now on')
    .description(
      'Makes a new data key for every purpose and tenant of the ring; what older ones sealed stays readable. With --master it makes a new version of ' +
        "the provider's key instead, and wraps every data key with it.",
    )
    .argument('<ring>', 'file of the ring')
    .option('--purpose <purpose>', 'only keys of this purpose', named(purposePattern))
    .option('--master', "the provider's key instead of the data keys")
    .option('--json', 'print {ring, rotated} or, with --master, {ring, version, rewrapped}')
    .addHelpText('after', '\nExample: coequal key rotate /etc/coequal/bank.ring --master')
    .action(async (ring: string, flags: Flags & { readonly purpose?: string; readonly master?: true }) => {
      const path = world.files.absolute(ring);
      if (flags.master === true) {
        if (flags.purpose !== undefined)
          throw fail('COMMAND_USAGE', {
            problem: 'A master key has no purpose: give --master or --purpose.',
            help: 'coequal key rotate --help',
          });
        await rewrap(world, path, true, flags);
        return;
      }
      const details = flags.purpose === undefined ? {} : { purpose: flags.purpose };
      const rotated = await onRing(world, 'rotate', path, details, () =>
        rotateDataKeys(path, flags.purpose, portsOf(world)),
      );
      say(
        world,
        flags,
        { ring: path, rotated },
        `${keys(rotated)} new; those before only open what they sealed. Processes take them up at their next start.`,
      );
    });
  key
    .command('rewrap')
    .summary("wrap all keys with the newest version of the provider's key")
    .description('For when the key was rotated at the provider itself. What was sealed stays as it is.')
    .argument('<ring>', 'file of the ring')
    .option('--json', 'print {ring, version, rewrapped}')
    .addHelpText('after', '\nExample: coequal key rewrap /etc/coequal/bank.ring')
    .action((ring: string, flags: Flags) => rewrap(world, world.files.absolute(ring), false, flags));
};

const rewrap = async (world: World, path: string, rotate: boolean, flags: Flags): Promise<void> => {
  const { rewrapped, version } = await onRing(world, 'rewrap', path, { rotate }, () =>
    rewrapRing(path, rotate, portsOf(world)),
  );
  const text = `${keys(rewrapped)} wrapped with version ${version}. \`coequal key retire ${path}\` destroys versions that nothing needs.`;
  say(world, flags, { ring: path, version, rewrapped }, text);
};

const addRetirement = (key: Command, world: World, outcome: Outcome): void => {
  key
    .command('retire')
    .summary('destroy a key for good')
    .description(
      "Without a key: destroys the versions of the provider's key that no data key of this ring needs; with Vault and security modules make sure that no " +
        'other ring needs them. With one: destroys a data key, and with it everything that it sealed. It cannot be undone, so it asks.',
    )
    .argument('<ring>', 'file of the ring')
    .argument('[key]', 'the data key, as `coequal key status` names it')
    .option('--yes <name>', 'the key, or `versions`, instead of being asked for it')
    .option('--json', 'print {ring, retired} or {ring, oldest}')
    .addHelpText('after', '\nExample: coequal key retire /etc/coequal/bank.ring k-0123456789abcdef')
    .action(async (ring: string, id: string | undefined, flags: Flags & { readonly yes?: string }) => {
      const path = world.files.absolute(ring);
      const wanted = id ?? 'versions';
      const warning =
        id === undefined
          ? 'Copies of the ring from before its keys were rewrapped will never open again.'
          : `Everything that ${id} sealed will be unreadable for good.`;
      world.tell(`${warning}\n`);
      const typed = flags.yes ?? (await world.files.ask?.(`Type ${wanted} to go on: `, world.interrupted));
      if (typed?.trim() !== wanted) {
        const said = typed === undefined ? `Nobody is there to ask. Add --yes ${wanted}` : `That is not ${wanted}`;
        world.tell(`coequal: ${said}; nothing was done.\n`);
        outcome.code = exitCodes.impossible;
        return;
      }
      if (id === undefined) {
        const oldest = await onRing(world, 'retire', path, { versions: true }, () =>
          retireVersions(path, portsOf(world)),
        );
        say(world, flags, { ring: path, oldest }, `Versions below ${oldest} are destroyed.`);
      } else {
        await onRing(world, 'retire', path, { key: id }, () => retireKey(path, id, portsOf(world)));
        say(world, flags, { ring: path, retired: id }, `${id} is destroyed.`);
      }
    });
};

type SealFlags = Flags & {
  readonly ring: string;
  readonly out: string;
  readonly purpose: string;
  readonly tenant?: string;
};

const addFiles = (key: Command, world: World): void => {
  key
    .command('seal')
    .summary('encrypt a file')
    .description(
      'Encrypts a file of any size under a data key of a ring: an export, a backup, an evidence pack. The first time a purpose gets its key.',
    )
    .argument('<file>', 'the file; it stays')
    .requiredOption('--ring <file>', 'file of the ring')
    .requiredOption('--out <file>', 'where the sealed file goes')
    .option('--purpose <purpose>', 'what it is for', named(purposePattern), 'files')
    .option('--tenant <tenant>', 'whose it is', named(tenantPattern))
    .option('--json', 'print {file, key}')
    .addHelpText('after', '\nExample: coequal key seal audit.csv --ring bank.ring --out audit.csv.sealed')
    .action(async (file: string, { ring, out, purpose, tenant, json }: SealFlags) => {
      const path = world.files.absolute(ring);
      const use = { purpose, tenant };
      await ensureKey(path, use, portsOf(world));
      const open = await openRing(path, portsOf(world));
      const from = world.files.absolute(file);
      const to = world.files.absolute(out);
      const { key: id } = await onRing(world, 'seal', path, { file: from }, () => sealFile(from, to, open, use));
      say(world, { ...(json === true ? { json } : {}) }, { file: out, key: id }, `${out} is sealed with ${id}.`);
    });
  key
    .command('open')
    .summary('decrypt a file that was sealed')
    .description('Decrypts a file. Nothing is written when it was changed or cut.')
    .argument('<file>', 'the sealed file')
    .requiredOption('--ring <file>', 'file of the ring it was sealed with')
    .requiredOption('--out <file>', 'where the file goes')
    .option('--json', 'print {file, key, name}')
    .addHelpText('after', '\nExample: coequal key open audit.csv.sealed --ring bank.ring --out audit.csv')
    .action(async (file: string, { ring, out, json }: SealFlags) => {
      const path = world.files.absolute(ring);
      const from = world.files.absolute(file);
      const to = world.files.absolute(out);
      const open = await openRing(path, portsOf(world));
      const { key: id, name } = await onRing(world, 'open', path, { file: from }, () => openFile(from, to, open));
      say(
        world,
        { ...(json === true ? { json } : {}) },
        { file: out, key: id, name },
        `${out} is what was sealed as ${name}.`,
      );
    });
};

const named =
  (pattern: RegExp) =>
  (text: string): string => {
    if (!pattern.test(text)) throw new InvalidArgumentError('Give a name of letters, digits and -, 32 at most.');
    return text;
  };

const keys = (count: number): string => (count === 1 ? '1 key is' : `${count} keys are`);

const say = (world: World, { json }: Flags, object: object, text: string): void =>
  world.out(json === true ? `${JSON.stringify(object)}\n` : `${text}\n`);
