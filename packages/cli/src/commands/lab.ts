/** `coequal lab …`: the three sites on this machine, from the command line. */
import { fail, formatDuration } from '@coequal/kernel';
import type { ClientsSnapshot, LabHandle, LabSnapshot, ListedLab } from '@coequal/lab';
import type { Command } from 'commander';
import { exitCodes } from '../failure.ts';
import { counted, formatCount, formatMoney, formatRate } from '../numbers.ts';
import type { Outcome } from '../program.ts';
import { formatTable } from '../table.ts';
import { decimalNumber, durationMs, labName, oneOf, sitePair, wholeNumber } from '../values.ts';
import { connectText } from '../view/connect.ts';
import { stateWords } from '../view/frame.ts';
import type { LabPort, World } from '../world.ts';
import { type FaultFlags, faultKinds, faultOf } from './faults.ts';
import { statusObject } from './lab-status.ts';
import { labUp, type UpFlags } from './lab-up.ts';

type Flags = { readonly name?: string; readonly json?: true };
type DownFlags = Flags & { readonly all?: true; readonly discard?: true };

export const addLabCommands = (program: Command, world: World, outcome: Outcome): void => {
  const lab = program
    .command('lab')
    .summary('several sites on this machine, serving; break and heal them')
    .description(
      'A lab is several sites on this machine with a real database each, all reading and writing. Nothing of it touches the rest of the machine.',
    );
  addUp(lab, world, outcome);
  addStatusAndDown(lab, world, outcome);
  addFaults(lab, world, outcome);
};

const addUp = (lab: Command, world: World, outcome: Outcome): void => {
  lab
    .command('up')
    .summary('start a lab and watch it')
    .description(
      'Starts a lab: sites on this machine, serving one bank database. On a terminal it shows a live view with keys to break and heal ' +
        'sites; elsewhere it writes plain lines. Ctrl-C ends the lab and leaves nothing behind.',
    )
    .option('--name <name>', 'name of the lab; several run side by side by name', labName, 'lab')
    .option('--sites <number>', 'number of sites, 3 unless given', wholeNumber(1, 9))
    .option('--rtt <times>', 'round trip times: one figure (5ms), two-cities, or a matrix')
    .option(
      '--mode <mode>',
      'full: namespaces, latency, partitions; plain: loopback only (default: full where possible)',
      oneOf(['full', 'plain']),
    )
    .option(
      '--preset <preset>',
      'engine settings: default, tight, stock, virtual-machines',
      oneOf(['default', 'tight', 'stock', 'virtual-machines']),
    )
    .option('--estate <file>', 'sites, hosts, preset and limits from an estate file')
    .option('--load <file>', 'load a dump (.sql or .sql.gz) before opening')
    .option(
      '--skew <exponent>',
      'how uneven the use of accounts is: 0 even, 1 a few hot accounts (Zipf)',
      decimalNumber(0, 3),
    )
    .option(
      '--gateways <number>',
      'gateways of each site, 2 unless given; 0: clients connect to the instances',
      wholeNumber(0, 4),
    )
    .option('--no-gateways', 'no gateways')
    .option('--keep', 'keep the data for the next start under the same name')
    .option('--hosts', "enforce each host's CPU and memory quota")
    .option('--detach', 'return once the lab serves; end it with `coequal lab down`')
    .option('--no-workload', 'start no bank clients')
    .option(
      '--branches',
      'the bank has branches: ordinary, varied work on tables of their own, for load faults to hurt',
    )
    .option('--operations', 'watch the lab as an estate is watched: agents, a platform and its stores')
    .option('--json', 'print one snapshot a line; with --detach, one status object')
    .addHelpText('after', '\nExample: coequal lab up --rtt two-cities --preset tight')
    .action(async (flags: UpFlags) => {
      outcome.endsInOrder = true;
      outcome.code = await labUp(world, flags);
    });
};

const addStatusAndDown = (lab: Command, world: World, outcome: Outcome): void => {
  lab
    .command('status')
    .summary('what runs, and where to connect')
    .description(
      'Shows the state of a lab and how to connect to each site. Without --name and with several labs, lists them.',
    )
    .option('--name <name>', 'name of the lab; the only one that runs unless given', labName)
    .option(
      '--json',
      'print {name, mode, sites, user, password, database, …}; a list of labs when there is not just one',
    )
    .addHelpText('after', '\nExample: coequal lab status --json')
    .action((flags: Flags) => status(world, flags));
  lab
    .command('down')
    .summary('end a lab and everything it started')
    .description('Ends a lab and everything it started, also what a crashed lab left behind. Touches nothing else.')
    .option('--name <name>', 'name of the lab; the only one there is unless given', labName)
    .option('--all', 'end every lab')
    .option('--discard', 'also remove the data that --keep has kept')
    .option('--json', 'print {ended:[{name, processes, keptIn}]}')
    .addHelpText('after', '\nExample: coequal lab down --all')
    .action(async (flags: DownFlags) => {
      outcome.endsInOrder = true;
      outcome.code = await down(world, flags);
    });
};

const addFaults = (lab: Command, world: World, outcome: Outcome): void => {
  const nameWords = 'name of the lab; the only one that runs unless given';
  lab
    .command('fault')
    .summary('break a site')
    .description(
      `Breaks something at a site. Kinds:\n${faultKinds.map(({ kind, words }) => `  ${kind.padEnd(15)} ${words}`).join('\n')}`,
    )
    .argument('<kind>', 'what to break')
    .argument('[site]', 'at which site; may be left out with --between')
    .option('--name <name>', nameWords, labName)
    .option('--whole', 'everything of the site, its clients too, not only its database')
    .option('--for <duration>', 'heal by itself after this time', durationMs)
    .option('--one-way', 'partition: drop what the site sends, deliver what is sent to it')
    .option('--between <a,b>', 'partition: only between these two sites', sitePair)
    .option('--gateway <number>', 'gateway faults: which one of the site, 1 unless given', wholeNumber(1, 4))
    .option('--amount <figure>', 'latency: ms (50 unless given); loss: percent (5); clock: seconds (300)')
    .option('--json', 'print {text}')
    .addHelpText('after', '\nExample: coequal lab fault partition north --whole --for 10s')
    .action(async (kind: string, site: string | undefined, flags: FaultFlags & Flags) => {
      const fault = faultOf(kind, site, flags);
      await withLab(world, flags.name, async (handle) => {
        for (const named of [fault.site, ...(fault.between ?? [])]) await checkSite(handle, named);
        answer(world, await handle.fault(fault), flags);
      });
    });
  lab
    .command('heal')
    .summary('undo every fault of a site, or of all')
    .description('Undoes every fault: restarts what was killed or stopped, wakes what hangs, restores the network.')
    .argument('[site]', 'the site; all of them unless given')
    .option('--name <name>', nameWords, labName)
    .option('--json', 'print {text}')
    .addHelpText('after', '\nExample: coequal lab heal north')
    .action(async (site: string | undefined, flags: Flags) => {
      await withLab(world, flags.name, async (handle) => {
        if (site !== undefined) await checkSite(handle, site);
        answer(world, await handle.heal(site), flags);
      });
    });
  addForcePrimary(lab, world, outcome, nameWords);
};

const addForcePrimary = (lab: Command, world: World, outcome: Outcome, nameWords: string): void => {
  lab
    .command('force-primary')
    .summary('make the last site left serve alone; may lose data')
    .description(
      'When a majority is lost for good, makes the database of one site a majority of its own. Whatever only the lost sites have is ' +
        'given up, and if they still run and serve somewhere, the data splits in two. Asks for the name of the instance.',
    )
    .argument('<site>', 'the site that is to serve alone')
    .option('--name <name>', nameWords, labName)
    .option('--yes-i-accept-loss <instance>', 'the name of the instance, instead of being asked for it')
    .option('--json', 'print {text}')
    .addHelpText('after', '\nExample: coequal lab force-primary south')
    .action(async (site: string, flags: Flags & { readonly yesIAcceptLoss?: string }) => {
      outcome.code = await withLab(world, flags.name, (handle) => forcePrimary(world, handle, site, flags));
    });
};

const answer = (world: World, { text }: { readonly text: string }, { json }: Flags): void => {
  if (json === true) world.out(`${JSON.stringify({ text })}\n`);
  else world.out(`${text}\n`);
};

const checkSite = async (handle: LabHandle, site: string): Promise<void> => {
  const { sites } = await handle.snapshot();
  if (!sites.some(({ name }) => name === site))
    throw fail('SITE_UNKNOWN', { site, sites: sites.map(({ name }) => name).join(', ') });
};

/** Opens the lab that is meant, and always lets go of it again. */
const withLab = async <T>(
  world: World,
  name: string | undefined,
  use: (handle: LabHandle) => Promise<T>,
): Promise<T> => {
  const lab = await world.lab();
  const handle = await lab.openLab(name ?? (await onlyRunning(lab)));
  try {
    return await use(handle);
  } finally {
    handle.detach();
  }
};

const onlyRunning = async (lab: LabPort): Promise<string> => {
  const running = (await lab.listLabs()).filter((each) => each.running);
  const [first, ...others] = running;
  if (first !== undefined && others.length > 0) throw severalLabs(running, 'coequal lab status');
  // Opening the lab that `lab up` names by default tells in the usual words that it does not run.
  return first?.name ?? 'lab';
};

const severalLabs = (labs: readonly ListedLab[], help: string) =>
  fail('COMMAND_USAGE', {
    problem: `There are several labs (${labs.map(({ name }) => name).join(', ')}): say which with --name.`,
    help: `${help} --help`,
  });

const status = async (world: World, { name, json }: Flags): Promise<void> => {
  const lab = await world.lab();
  const listed = await lab.listLabs();
  const running = listed.filter((each) => each.running);
  if (name === undefined && running.length !== 1) {
    tellLabs(world, listed, json === true);
    return;
  }
  await withLab(world, name ?? running[0]?.name, async (handle) => {
    const snapshot = await handle.snapshot();
    world.out(json === true ? `${JSON.stringify(statusObject(snapshot))}\n` : `${statusLines(snapshot).join('\n')}\n`);
  });
};

const tellLabs = (world: World, labs: readonly ListedLab[], json: boolean): void => {
  if (json) world.out(`${JSON.stringify({ labs })}\n`);
  else if (labs.length === 0) world.out('No lab runs. Start one with `coequal lab up`.\n');
  else
    world.out(
      `${formatTable(
        [{ title: 'LAB' }, { title: 'STATE' }, { title: 'PROCESS', right: true }, { title: 'FOLDER' }],
        labs.map(({ name, running, kept, pid, folder }) => [
          name,
          running ? 'running' : endedWords(kept),
          pid === null ? '–' : String(pid),
          folder,
        ]),
      ).join('\n')}\n`,
    );
};

const statusLines = (snapshot: LabSnapshot): readonly string[] => [
  `Lab ${snapshot.name}: ${snapshot.mode} mode, preset ${snapshot.preset}, ${counted(snapshot.sites.length, 'site')}`,
  ...formatTable(
    [{ title: 'SITE' }, { title: 'INSTANCE' }, { title: 'STATE' }, { title: 'RTT', right: true }, { title: 'WHY' }],
    snapshot.sites.flatMap((site) =>
      site.instances.map(({ name, state, reason }) => [
        site.name,
        name,
        stateWords(state),
        `${site.rttMs} ms`,
        [...site.faults, reason].join('; '),
      ]),
    ),
  ),
  ...gatewayLines(snapshot),
  ...clientLines(snapshot),
  ...(snapshot.bank === null
    ? []
    : [
        `Money: ${snapshot.bank.balance === null ? '?' : formatMoney(snapshot.bank.balance)} of ${formatMoney(snapshot.bank.expectedBalance)}, ` +
          `${formatCount(snapshot.bank.acknowledged)} acknowledged, ${formatCount(snapshot.bank.missing)} missing`,
      ]),
  ...connectText(snapshot),
];

const gatewayLines = ({ sites }: LabSnapshot): readonly string[] => {
  const gateways = sites.flatMap((site) => site.gateways.map((gateway) => ({ site: site.name, ...gateway })));
  if (gateways.length === 0) return [];
  return formatTable(
    [
      { title: 'SITE' },
      { title: 'GATEWAY' },
      { title: 'STATE' },
      { title: 'SESSIONS', right: true },
      { title: 'REPLAYS', right: true },
      { title: 'OUTCOMES', right: true },
      { title: 'HIDDEN', right: true },
      { title: 'METRICS' },
    ],
    gateways.map(({ site, name, state, sessions, replays, outcomes, hidden, host, metricsPort }) => [
      site,
      name,
      stateWords(state),
      sessions === null ? '–' : formatCount(sessions),
      formatCount(replays),
      formatCount(outcomes),
      formatCount(hidden),
      `http://${host}:${metricsPort}/metrics`,
    ]),
  );
};

/** What the bank's clients see: through gateways, and directly beside it. */
const clientLines = ({ sites }: LabSnapshot): readonly string[] => {
  const row = (site: string, way: string, clients: ClientsSnapshot): readonly string[] => [
    site,
    way,
    clients.alive ? formatRate(clients.transactionsPerSecond) : 'gone',
    formatDuration(clients.longestPauseMs),
    formatCount(clients.errors),
    formatCount(clients.conflicts),
    formatCount(clients.inDoubt),
  ];
  const rows = sites.flatMap(({ name, gateways, clients, direct }) => [
    ...(clients === null ? [] : [row(name, gateways.length > 0 ? 'through gateways' : 'direct', clients)]),
    ...(direct === null ? [] : [row(name, 'direct', direct)]),
  ]);
  if (rows.length === 0) return [];
  return formatTable(
    [
      { title: 'SITE' },
      { title: 'CLIENTS' },
      { title: 'TX/S', right: true },
      { title: 'LONGEST PAUSE', right: true },
      { title: 'ERRORS', right: true },
      { title: 'CONFLICTS', right: true },
      { title: 'IN DOUBT', right: true },
    ],
    rows,
  );
};

const endedWords = (kept: boolean): string =>
  kept ? 'ended, its data is kept; `coequal lab up --keep` uses it' : 'ended, `coequal lab down` removes what is left';

const leftOf = (keptIn: string | null): string =>
  keptIn === null ? 'nothing of it is left' : `its data is kept in ${keptIn} (--discard removes it)`;

const down = async (world: World, { name, all, discard, json }: DownFlags): Promise<number> => {
  if (name !== undefined && all === true)
    throw fail('COMMAND_USAGE', { problem: '--name and --all exclude each other.', help: 'coequal lab down --help' });
  const lab = await world.lab();
  const listed = await lab.listLabs();
  if (name !== undefined && !listed.some((each) => each.name === name)) throw fail('LAB_NOT_RUNNING', { name });
  const running = listed.filter((each) => each.running);
  if (name === undefined && all !== true && running.length > 1) throw severalLabs(running, 'coequal lab down');
  // Without a name: the one that runs, or else everything that labs which no longer run left behind.
  const unnamed = all === true || running.length === 0 ? listed : running;
  const meant = name === undefined ? unnamed.map((each) => each.name) : [name];
  const ended: { name: string; processes: number; keptIn: string | null }[] = [];
  for (const each of meant) {
    const { ended: processes, keptIn } = await lab.endLab(each, { discard: discard === true });
    ended.push({ name: each, processes, keptIn });
    if (json !== true) world.out(`Lab ${each} is down, ${leftOf(keptIn)}; ${processes} of its processes ended.\n`);
  }
  if (json === true) world.out(`${JSON.stringify({ ended })}\n`);
  else if (meant.length === 0) world.out('No lab is there; nothing to end.\n');
  return exitCodes.good;
};

const forcePrimary = async (
  world: World,
  handle: LabHandle,
  site: string,
  flags: Flags & { readonly yesIAcceptLoss?: string },
): Promise<number> => {
  await checkSite(handle, site);
  const snapshot = await handle.snapshot();
  const instance = snapshot.sites.find(({ name }) => name === site)?.instances[0]?.name;
  if (instance === undefined)
    throw fail('COMMAND_USAGE', {
      problem: `The site ${site} has no database.`,
      help: 'coequal lab force-primary --help',
    });
  world.tell(forceWarning(snapshot, site, instance));
  const typed = flags.yesIAcceptLoss ?? (await world.files.ask?.(`Type ${instance} to go on: `, world.interrupted));
  if (typed?.trim() !== instance) {
    world.tell(
      typed === undefined
        ? `coequal: Nobody is there to ask, so nothing was done. Add --yes-i-accept-loss ${instance} if you accept what is said above.\n`
        : `coequal: That is not ${instance}; nothing was done.\n`,
    );
    return exitCodes.impossible;
  }
  answer(world, await handle.forcePrimary(instance), flags);
  return exitCodes.good;
};

const forceWarning = (snapshot: LabSnapshot, site: string, instance: string): string => {
  const others = snapshot.sites.filter(({ name }) => name !== site);
  return [
    `This makes ${instance} at ${site} serve alone, without a majority. What it may cost:`,
    `- Transactions that were acknowledged at ${others.map(({ name }) => name).join(', ')} and had not reached ${site} are given up.`,
    '- If one of these sites still runs and is only cut off, it must not serve: make sure that it is down, or the data splits in two.',
    '- The sites that return take a copy of the data of this one.',
    '',
  ].join('\n');
};
