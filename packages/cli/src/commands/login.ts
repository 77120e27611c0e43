/**
 * `coequal login`: lets this terminal in. It shows an address and a code; a person opens the one, types the other and signs with a passkey.
 * The token never passes a screen.
 */
import { terminalAnswer, terminalAsked } from '@coequal/contract';
import { fail } from '@coequal/kernel';
import type { Command } from 'commander';
import { z } from 'zod';
import { exitCodes } from '../failure.ts';
import { forgetLogin, keepLogin, readLogin } from '../login-file.ts';
import { type PlatformFlags, platformClient } from '../platform-client.ts';
import type { Outcome } from '../program.ts';
import { printable } from '../view/text.ts';
import type { World } from '../world.ts';
import { withPlatform } from './incident.ts';

type Flags = PlatformFlags & { readonly json?: true };

export const addLoginCommands = (program: Command, world: World, outcome: Outcome): void => {
  withPlatform(program.command('login'))
    .summary('let this terminal in, with a passkey in a browser')
    .description(
      'Shows an address and a code, and waits until somebody lets this terminal in. docs/identity.md has the rest.',
    )
    .option('--json', 'print {name, url, endsMs}')
    .addHelpText('after', '\nExample: coequal login --platform https://coequal.bank.example')
    .action(async (flags: Flags) => {
      outcome.code = await login(world, flags);
    });
  withPlatform(program.command('logout'))
    .summary('end the session of this terminal')
    .option('--json', 'print {ended}')
    .action(async (flags: Flags) => {
      const client = await platformClient(world, flags, 'person');
      const kept = await readLogin(world, client.url);
      // What the platform does not know any more has ended there; the file goes all the same.
      try {
        if (kept !== undefined) await client.send('POST', '/api/v1/identity/sign-out', undefined, z.undefined());
      } finally {
        await forgetLogin(world, client.url);
      }
      const ended = kept !== undefined;
      print(world, flags, { ended }, ended ? `${kept.name} is signed out.` : 'Nobody was signed in.');
    });
};

const login = async (world: World, flags: Flags): Promise<number> => {
  const client = await platformClient(world, flags, 'nobody');
  const name = printable(`${world.user}@${world.hostName}`).slice(0, 100);
  const asked = await client.send('POST', '/api/v1/identity/terminals', { client: name }, terminalAsked);
  world.tell(`Open ${printable(asked.url)} and enter ${printable(asked.userCode)}\n`);
  for (;;) {
    await world.clock.sleep(asked.everySeconds * 1_000, world.interrupted).catch((error: unknown) => {
      throw world.interrupted.aborted ? fail('INTERRUPTED', {}, { cause: error }) : error;
    });
    const body = { deviceCode: asked.deviceCode };
    const answer = await client.send('POST', '/api/v1/identity/terminals/token', body, terminalAnswer);
    if (answer.state === 'waiting') continue;
    if (answer.state === 'denied') {
      print(world, flags, { refused: true }, 'The terminal was refused.');
      return exitCodes.no;
    }
    const kept = { url: client.url, name: answer.name, token: answer.token, endsMs: answer.endsMs };
    const file = await keepLogin(world, kept);
    const until = new Date(answer.endsMs).toISOString().slice(0, 16).replace('T', ' ');
    const words = `Signed in as ${printable(answer.name)} until ${until} UTC; the token is in ${file}.`;
    print(world, flags, { name: answer.name, url: client.url, endsMs: answer.endsMs }, words);
    return exitCodes.good;
  }
};

const print = (world: World, flags: Flags, object: object, words: string): void =>
  world.out(flags.json === true ? `${JSON.stringify(object)}\n` : `${words}\n`);
