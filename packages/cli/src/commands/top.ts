/** `coequal top`: the estate in a terminal, the worst first, redrawn every second. */
import { incidentPage, instanceDetail, overview } from '@coequal/contract';
import { CoequalError, reasonOf } from '@coequal/kernel';
import type { Command } from 'commander';
import { exitCodes } from '../failure.ts';
import { aborted } from '../interruption.ts';
import { type PlatformClient, type PlatformFlags, platformClient } from '../platform-client.ts';
import type { Outcome } from '../program.ts';
import { keysOf } from '../view/keys.ts';
import { renderTop, type TopData, topLines, worstFirst } from '../view/top-frame.ts';
import { firstTopState, pressTopKey, type TopState } from '../view/top-keys.ts';
import type { Terminal, World } from '../world.ts';
import { withPlatform } from './incident.ts';

type Flags = PlatformFlags & { readonly once?: true; readonly json?: true };

export const addTopCommand = (program: Command, world: World, outcome: Outcome): void => {
  withPlatform(program.command('top'))
    .summary('the estate in a terminal, the worst first')
    .description(
      'Services, sites, instances, gateways and hosts as the platform sees them now, with open incidents and their causes; sessions, locks and ' +
        'statements of an instance by keys. Without --platform or --config it is the platform of the lab.',
    )
    .option('--once', 'print it once and end; exit 1 when somebody is needed')
    .option('--json', 'print an object a line, every second: {overview, incidents}')
    .addHelpText('after', '\nExample: coequal top --platform http://127.0.0.1:9620')
    .action(async (flags: Flags) => {
      outcome.endsInOrder = true;
      outcome.code = await top(world, flags);
    });
};

const everyMs = 1_000;

const top = async (world: World, flags: Flags): Promise<number> => {
  const client = await platformClient(world, flags);
  if (flags.once === true) return once(world, flags, client);
  const { terminal } = world;
  if (flags.json === true || terminal === undefined) await lines(world, flags, client);
  else await live(world, client, terminal);
  return exitCodes.good;
};

const once = async (world: World, flags: Flags, client: PlatformClient): Promise<number> => {
  const data = await ask(client, undefined);
  tell(world, flags, data);
  return data.overview.level === 'act' ? exitCodes.no : exitCodes.good;
};

const tell = (world: World, { json }: Flags, data: TopData): void =>
  world.out(
    json === true
      ? `${JSON.stringify({ overview: data.overview, incidents: data.incidents })}\n`
      : `${topLines(data, world.clock.now()).join('\n')}\n`,
  );

/** Until it is interrupted. */
const lines = async (world: World, flags: Flags, client: PlatformClient): Promise<void> => {
  while (!world.interrupted.aborted) {
    tell(world, flags, await ask(client, undefined));
    await Promise.race([world.clock.sleep(everyMs), aborted(world.interrupted)]);
  }
};

const ask = async (client: PlatformClient, instance: string | undefined): Promise<TopData> => {
  const [seen, page, detail] = await Promise.all([
    client.get('/api/v1/overview', overview),
    client.get('/api/v1/incidents?limit=100', incidentPage),
    instance === undefined
      ? undefined
      : client.get(`/api/v1/instances/${encodeURIComponent(instance)}/details`, instanceDetail),
  ]);
  const incidents = page.items.filter(({ state }) => state !== 'resolved');
  return { overview: seen, incidents, detail: detail?.details[0] };
};

/** Owns the screen while it runs, and gives it back in every case. A platform that is away for a while is said, and asked again. */
const live = async (world: World, client: PlatformClient, terminal: Terminal): Promise<void> => {
  const quit = new AbortController();
  const end = AbortSignal.any([quit.signal, world.interrupted]);
  const colour = world.environment['NO_COLOR'] === undefined;
  let state: TopState = firstTopState;
  let data: TopData | undefined;
  let problem: string | undefined;
  let wake = (): void => undefined;
  const draw = (): void => {
    const input = { ...terminal.size(), ...state, colour, nowMs: world.clock.now(), problem };
    const text = renderTop(data, input).map((line) => `${line}\u001b[K`);
    terminal.write(`\u001b[H${text.join('\r\n')}\u001b[J`);
  };
  terminal.enter();
  const stopInput = terminal.onInput((text) => {
    for (const key of keysOf(text)) {
      const names = worstFirst(data?.overview.instances ?? []).map(({ name }) => name);
      const next = pressTopKey(state, key, names);
      if (next === undefined) quit.abort();
      else {
        // Another instance is asked for at once, not with the next second.
        if (next.selected !== state.selected || next.panel !== state.panel) wake();
        state = next;
      }
    }
    draw();
  });
  const stopResize = terminal.onResize(draw);
  try {
    while (!end.aborted) {
      try {
        const wanted = state.panel === 'overview' ? undefined : state.selected;
        const found = await ask(client, wanted);
        // What was asked for may be another instance's by now.
        const detail = found.detail?.instance === state.selected ? found.detail : undefined;
        [data, problem] = [{ ...found, detail }, undefined];
      } catch (error) {
        if (end.aborted) break;
        problem = error instanceof CoequalError ? error.message : reasonOf(error);
      }
      draw();
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      await Promise.race([world.clock.sleep(everyMs), aborted(end), woken]);
    }
  } finally {
    stopInput();
    stopResize();
    terminal.leave();
  }
};
