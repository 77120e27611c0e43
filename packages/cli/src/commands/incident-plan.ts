/** `coequal incident plan|run`: what could be done about an incident, carrying it out, and how far that has come. */
import { type Action, type Need, type PlanRun, type Proposal, planRun, proposal } from '@coequal/contract';
import { fail } from '@coequal/kernel';
import type { Command } from 'commander';
import { exitCodes } from '../failure.ts';
import { type PlatformFlags, platformClient } from '../platform-client.ts';
import type { Outcome } from '../program.ts';
import { printable } from '../view/text.ts';
import type { World } from '../world.ts';

type Flags = PlatformFlags & { readonly json?: true };
type PlanFlags = Flags & { readonly carryOut?: true };
type RunFlags = Flags & { readonly stop?: true };
type Client = Awaited<ReturnType<typeof platformClient>>;

export const addPlan = (
  command: Command,
  world: World,
  outcome: Outcome,
  newest: (client: Client) => Promise<string>,
): void => {
  command
    .summary('what could be done about an incident, step by step; and carry it out')
    .description(
      'Asks the platform for a plan: ordered actions, each with what must hold before, what is checked afterwards and what takes it back. ' +
        'Exit 1 when there is none; the reason is told. Nothing is done without --carry-out, which takes a plan of class C1, an operator who has logged in, and a reason. docs/actions.md has the rest.',
    )
    .argument('[id]', 'its id; the newest one unless given')
    .option('--carry-out', 'carry it out, as it is shown')
    .option('--reason <words>', 'why; with --carry-out')
    .option('--json', 'print {kind, plan, digest}, or {kind, reason}; with --carry-out the run')
    .addHelpText('after', '\nExample: coequal incident plan')
    .action(async (id: string | undefined, flags: PlanFlags) => {
      if (flags.carryOut === true && (flags.reason ?? '').trim() === '')
        throw fail('COMMAND_USAGE', {
          problem: 'Say why it is carried out: --reason WORDS.',
          help: 'coequal incident plan --help',
        });
      const client = await platformClient(world, flags, flags.carryOut === true ? 'person' : 'anybody');
      const path = `/api/v1/incidents/${encodeURIComponent(id ?? (await newest(client)))}/plan`;
      const found = await client.get(path, proposal);
      const wanted = flags.carryOut === true && found.kind === 'plan';
      if (flags.json !== true) world.out(`${planText(found).join('\n')}\n`);
      else if (!wanted) world.out(`${JSON.stringify(found)}\n`);
      if (found.kind === 'none') outcome.code = exitCodes.no;
      // Exactly what was shown: the platform is given the plan, and makes no other one.
      else if (wanted)
        show(world, flags, await client.send('POST', '/api/v1/plan-runs', { plan: found.plan }, planRun), outcome);
    });
};

export const addRun = (command: Command, world: World, outcome: Outcome): void => {
  command
    .summary('how far a plan has come that is carried out; and stop it')
    .description('Exit 1 when it did not come to its end.')
    .argument('<id>', 'id of the run')
    .option('--stop', 'begin nothing more, and cancel what is in progress')
    .option('--json', 'print the run')
    .addHelpText('after', '\nExample: coequal incident run run-0a1b2c3d4e5f60718293a4b5')
    .action(async (id: string, flags: RunFlags) => {
      const client = await platformClient(world, flags, flags.stop === true ? 'person' : 'anybody');
      const path = `/api/v1/plan-runs/${encodeURIComponent(id)}`;
      const found =
        flags.stop === true
          ? await client.send('POST', `${path}/stop`, undefined, planRun)
          : await client.get(path, planRun);
      show(world, flags, found, outcome);
    });
};

const show = (world: World, flags: Flags, run: PlanRun, outcome: Outcome): void => {
  if (flags.json === true) world.out(`${JSON.stringify(run)}\n`);
  else world.out(`${runText(run).join('\n')}\n`);
  if (run.state === 'stopped') outcome.code = exitCodes.no;
};

const runText = ({ id, state, words, plan, steps }: PlanRun): readonly string[] => [
  `${id} is ${state}. ${printable(words)}`,
  ...steps.map(
    (step, index) =>
      `${index + 1}. ${step.outcome ?? step.state}: ${printable(plan.steps[index]?.does ?? '')} ${printable(step.words)}`,
  ),
];

const planText = (found: Proposal): readonly string[] => {
  if (found.kind === 'none') return [`No plan. ${printable(found.reason)}`];
  const { plan, digest } = found;
  return [
    `${printable(plan.why)} (${plan.class})`,
    ...plan.steps.flatMap(({ does, agent, needs, check, undo }, index) => [
      `${index + 1}. ${printable(does)}  [agent ${agent}]`,
      ...(needs.length === 0 ? [] : [`   before: ${needs.map(needText).join('; ')}`]),
      `   after: ${printable(check)}`,
      ...(undo === null ? [] : [`   way back: ${actionText(undo)}`]),
    ]),
    `Digest ${digest}, good until ${new Date(plan.untilMs).toISOString()}.`,
  ];
};

const needText = (need: Need): string => {
  switch (need.kind) {
    case 'serving':
      return `${need.least} other instances of ${need.service} serve`;
    case 'state':
      return `${need.instance} is ${need.states.join(' or ')}`;
    case 'blocker':
      return `session ${need.session} of ${need.instance} still blocks others`;
  }
};

const actionText = (one: Action): string =>
  printable(
    Object.values(one)
      .filter((value) => typeof value !== 'object')
      .join(' '),
  );
