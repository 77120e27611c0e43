/** `coequal platform backup|restore|back`: a copy of the platform's own database while it runs, put back, and the way to an earlier version. */
import { platformBackup } from '@coequal/contract';
import { formatBytes } from '@coequal/kernel';
import { platformSettings, restorePlatform, takePlatformBack } from '@coequal/platform';
import type { Command } from 'commander';
import { type PlatformFlags, platformClient } from '../platform-client.ts';
import { readEstate } from '../read-estate.ts';
import type { World } from '../world.ts';
import { withPlatform } from './incident.ts';

type Flags = PlatformFlags & { readonly json?: true };
type Machine = { readonly config: string; readonly name?: string; readonly json?: true };

export const addPlatformStoreCommands = (platform: Command, world: World): void => {
  withPlatform(platform.command('backup'))
    .summary('copy the database of a platform that runs')
    .description(
      'Writes a whole copy into `backups` in its state folder, and keeps the newest ten. Carry them elsewhere yourself.',
    )
    .option('--json', 'print {file, bytes, sha256}')
    .addHelpText('after', '\nExample: coequal platform backup --token-file backup.token')
    .action(async (flags: Flags) => {
      const client = await platformClient(world, flags);
      const made = await client.send('POST', '/api/v1/backups', undefined, platformBackup);
      print(world, flags, made, `${made.file}: ${formatBytes(made.bytes)}, SHA-256 ${made.sha256}`);
    });
  atMachine(platform.command('restore'))
    .summary('put a copy back, at the machine, while the platform does not run')
    .description(
      'Checks the copy, moves the present database aside and takes the copy in its place. What was revoked since the copy was made holds again: review it.',
    )
    .argument('<file>', 'a copy that `coequal platform backup` wrote')
    .option('--json', 'print {restored, aside}')
    .addHelpText(
      'after',
      '\nExample: coequal platform restore /var/lib/coequal/platform/backups/platform-20260301-140000000.sqlite',
    )
    .action(async (file: string, flags: Machine) => {
      const path = world.files.absolute(file);
      await world.files.mustBeReadable(path, 'Name a copy that `coequal platform backup` wrote.');
      const aside = await restorePlatform(await settingsOf(world, flags), path, portsOf(world));
      const words = aside === null ? 'there was no database before' : `what was there before is ${aside}`;
      print(world, flags, { restored: path, aside }, `${path} is the database now; ${words}.`);
    });
  atMachine(platform.command('back'))
    .summary('take the database back to the shape of an earlier version')
    .description(
      'An earlier version works on what steps of a later one only added; `coequal platform --check` of it says by name what it cannot work on. Takes back ' +
        'everything made after the step that is named, with what is kept there, after a copy was made.',
    )
    .argument('<step>', 'the newest step that is to stay')
    .option('--json', 'print {steps, backup}')
    .addHelpText('after', '\nExample: coequal platform back 001-incidents-and-events')
    .action(async (step: string, flags: Machine) => {
      const done = await takePlatformBack(await settingsOf(world, flags), step, portsOf(world));
      const taken = done.steps.length === 0 ? 'Nothing had to be taken back' : `Taken back: ${done.steps.join(', ')}`;
      print(world, flags, done, `${taken}. The database as it was: ${done.backup}`);
    });
};

const atMachine = (command: Command): Command =>
  command
    .option('--config <file>', 'the estate file', 'coequal.yaml')
    .option('--name <name>', 'the platform, where the estate has several');

const settingsOf = async (world: World, { config, name }: Machine) =>
  platformSettings(await readEstate(world, config), name);

const portsOf = ({ clock, user }: World) => ({ clock, user });

const print = (world: World, { json }: { readonly json?: true }, object: object, line: string): void =>
  world.out(json === true ? `${JSON.stringify(object)}\n` : `${line}\n`);
