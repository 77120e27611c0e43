/** `coequal incident plan`: what could be done about an incident. Nothing is done. */
import { type Action, type Need, type Proposal, proposal } from '@coequal/contract';
import type { Command } from 'commander';
import { exitCodes } from '../failure.ts';
import { type PlatformFlags, platformClient } from '../platform-client.ts';
import type { Outcome } from '../program.ts';
import { printable } from '../view/text.ts';
import type { World } from '../world.ts';

type Flags = PlatformFlags & { readonly json?: true };
type Client = Awaited<ReturnType<typeof platformClient>>;

export const addPlan = (
  command: Command,
  world: World,
  outcome: Outcome,
  newest: (client: Client) => Promise<string>,
): void => {
  command
    .summary('what could be done about an incident, step by step; nothing is done')
    .description(
      'Asks the platform for a plan: ordered actions, each with what must hold before, what is checked afterwards and what takes it back. ' +
        'Exit 1 when there is none; the reason is told. docs/actions.md has the rest.',
    )
    .argument('[id]', 'its id; the newest one unless given')
    .option('--json', 'print {kind, plan, digest}, or {kind, reason}')
    .addHelpText('after', '\nExample: coequal incident plan')
    .action(async (id: string | undefined, flags: Flags) => {
      const client = await platformClient(world, flags);
      const path = `/api/v1/incidents/${encodeURIComponent(id ?? (await newest(client)))}/plan`;
      const found = await client.get(path, proposal);
      if (flags.json === true) world.out(`${JSON.stringify(found)}\n`);
      else world.out(`${planText(found).join('\n')}\n`);
      if (found.kind === 'none') outcome.code = exitCodes.no;
    });
};

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
