/** `coequal evidence verify DIR`: re-checks an evidence pack offline. */
import { verifyEvidence } from '@coequal/proof';
import type { Command } from 'commander';
import { exitCodes } from '../failure.ts';
import { formatCount } from '../numbers.ts';
import type { Outcome } from '../program.ts';
import type { World } from '../world.ts';

/** A public key in PEM is a few hundred bytes. */
const maximumKeyBytes = 16_384;

export const addEvidenceCommands = (program: Command, world: World, outcome: Outcome): void => {
  program
    .command('evidence')
    .summary('re-check what a drill wrote')
    .description(
      'A drill writes an evidence pack; anybody can re-check it later, without the lab and without the network.',
    )
    .command('verify')
    .summary('re-check hashes, signature and verdict')
    .description(
      'Re-checks every hash and the signature, and reconciles all transactions again from the history. Exit 0: it holds; 1: it does not. ' +
        'Without --key anybody could have made the pack: the fingerprint is printed for you to compare.',
    )
    .argument('<folder>', 'the folder that a drill wrote with --out')
    .option('--key <file>', 'the public key (PEM) that must have signed it')
    .option('--json', 'print {valid, problems, fingerprint, pinned, found}')
    .addHelpText('after', '\nExample: coequal evidence verify evidence/instance-kill --key auditor.pem')
    .action(async (folder: string, flags: { readonly key?: string; readonly json?: true }) => {
      outcome.code = await verify(world, folder, flags);
    });
};

const verify = async (
  world: World,
  folder: string,
  { key, json }: { readonly key?: string; readonly json?: true },
): Promise<number> => {
  const pinned =
    key === undefined
      ? undefined
      : await world.files.readText(
          key,
          maximumKeyBytes,
          'Name the file with the public key of whoever signed the pack.',
        );
  const verdict = await verifyEvidence(world.files.absolute(folder), pinned);
  if (json === true) world.out(`${JSON.stringify(verdict)}\n`);
  else {
    world.out(
      `${verdict.valid ? 'VALID' : 'NOT VALID'}  ${folder}\n${verdict.problems.map((problem) => `- ${problem}\n`).join('')}` +
        `Signed by ${verdict.fingerprint} (${verdict.pinned ? 'the key you named' : 'not pinned: compare this fingerprint, or give the key with --key'})\n`,
    );
    if (verdict.found !== null)
      world.out(
        `Counted again: ${formatCount(verdict.found.acknowledged)} acknowledged, ${formatCount(verdict.found.lost)} lost, ` +
          `${formatCount(verdict.found.doubled)} doubled, ${formatCount(verdict.found.diverged)} diverged, balance ${verdict.found.balanceExact ? 'exact' : 'NOT EXACT'}\n`,
      );
  }
  return verdict.valid ? exitCodes.good : exitCodes.no;
};
