/**
 * `bench two-addresses`: clients that can go to either of two gateways, while one gateway after the other is killed, and one is
 * stopped in order. Programs that know both addresses ask what became of a transaction in doubt; programs that know one name with two
 * addresses in DNS just connect again. What is counted: the longest pause, and what was lost, doubled or torn.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { fail } from '@coequal/kernel';
import type { Endpoint } from '@coequal/proof';
import { issueCertificate, makeAuthority } from '@coequal/trust';
import { type Assignment, prepareWith, type Ready } from '../clients/foreign.ts';
import { advance, openKillTest, readHeld } from '../clients/kill-test.ts';
import { dnsClients, dnsPrepare, type ListRecipeName, listRecipes, resolverArgv } from '../clients/recipes.ts';
import { runForeign } from '../clients/running.ts';
import { judge, type KindOf, type Said, type Verdict } from '../clients/verdict.ts';
import { placesOf } from '../places.ts';
import { startBeside } from './beside.ts';
import { figureOf, tenth } from './figures.ts';
import { freshPort, makeGateway, type RestartableGateway } from './gateway-own.ts';
import { certificateOf, gatewaysAt } from './gateway-places.ts';
import { type BenchLab, untilWhole, withLab } from './lab.ts';
import { type Bench, type BenchOptions, type BenchTools, counting, defaultRtt, named } from './tools.ts';

const pauseBarMs = 1_000;
const paceMs = 10;
const sharedName = 'gateway.bank.test';

type Recipe = { readonly name: string; readonly ready: Ready; readonly dns: boolean };

const listNames = Object.keys(listRecipes).filter((name): name is ListRecipeName => Object.hasOwn(listRecipes, name));
const allNames: readonly string[] = [...listNames, ...dnsClients.map((name) => `dns-${name}`)];

const chosen = ({ parts = [] }: BenchOptions): readonly string[] => {
  const unknown = parts.find((part) => !allNames.includes(part));
  if (unknown !== undefined)
    throw fail('COMMAND_USAGE', {
      problem: `There is no recipe ${unknown}; there are ${allNames.join(', ')}.`,
      help: 'coequal bench --help',
    });
  return parts.length === 0 ? allNames : allNames.filter((name) => parts.includes(name));
};

export const benchTwoAddresses: Bench = async (options, tools) => {
  const names = chosen(options);
  await withLab(tools, { rtt: options.rtt ?? defaultRtt }, async (lab) => {
    const folder = await mkdtemp(`${lab.definition.folder}/addresses-`);
    try {
      await untilWhole(lab, tools);
      await withPair(lab, folder, tools, async (pair) => {
        for (const [index, name] of names.entries()) await benchRecipe(pair, name, index, options, tools);
      });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
};

/** Two gateways of one site, on the same port of two addresses, with a certificate that serves for both and for their name. */
type Pair = {
  readonly lab: BenchLab;
  readonly site: string;
  readonly folder: string;
  readonly gateways: readonly [RestartableGateway, RestartableGateway];
  readonly authorityPath: string;
  /** Put before a program, it resolves the name to both addresses. */
  readonly resolving: (argv: readonly string[]) => readonly string[];
};

const withPair = async (
  lab: BenchLab,
  folder: string,
  tools: BenchTools,
  use: (pair: Pair) => Promise<void>,
): Promise<void> => {
  const [site = ''] = lab.sites;
  const addresses = gatewaysAt(lab, site).map(({ host }) => host);
  const tls = await certify(folder, addresses, tools);
  const port = freshPort();
  const make = (beside: number) =>
    makeGateway(lab, { name: `bench-address-${beside}`, site, beside, port, ...tls }, tools);
  const gateways = [await make(0), await make(1)] as const;
  const cacheFolder = placesOf(process.env, process.getuid?.() ?? -1).cache;
  const { clock, progress, signal } = tools;
  const options = { cacheFolder, environment: process.env, clock, progress, signal };
  const resolver = await resolverArgv(sharedName, addresses.slice(0, 2), options);
  const enter = (argv: readonly string[]): readonly string[] => lab.enter(site, argv);
  const dns = startBeside(resolver.argv, { environment: { ...process.env, ...resolver.environment }, enter, clock });
  try {
    for (const gateway of gateways) await gateway.start();
    await writeFile(`${folder}/resolv.conf`, 'nameserver 127.0.0.1\noptions timeout:1 attempts:2\n');
    const program = new URL('../clients/with-resolver/main.ts', import.meta.url).pathname;
    const before = ['unshare', '--mount', '--propagation', 'private', '--', process.execPath, program];
    const resolving = (argv: readonly string[]) => enter([...before, `${folder}/resolv.conf`, ...argv]);
    await use({ lab, site, folder, gateways, authorityPath: `${folder}/authority.pem`, resolving });
  } finally {
    for (const gateway of gateways) await gateway.stop();
    await dns.stop();
  }
};

const certify = async (folder: string, addresses: readonly string[], { clock }: BenchTools) => {
  const authority = await makeAuthority('Coequal bench', { days: 2, clock });
  const wish = { commonName: sharedName, dnsNames: [sharedName], addresses, days: 2, usage: 'both' } as const;
  const { certificate, key } = await issueCertificate(authority, wish, clock);
  const certificates = { certificate: `${folder}/certificate.pem`, key: `${folder}/key.pem` };
  await writeFile(certificates.certificate, certificate);
  await writeFile(certificates.key, key, { mode: 0o600 });
  await writeFile(`${folder}/authority.pem`, authority.certificate);
  return { certificates, authority: authority.certificate };
};

const prepare = async (name: string, folder: string, { clock, progress, signal }: BenchTools) => {
  const cacheFolder = placesOf(process.env, process.getuid?.() ?? -1).cache;
  const options = { cacheFolder, environment: process.env, clock, progress, signal };
  const list = listNames.find((each) => each === name);
  const dns = dnsClients.find((each) => `dns-${each}` === name);
  if (list !== undefined) return await prepareWith(listRecipes[list], folder, options);
  if (dns !== undefined) return await prepareWith(dnsPrepare(dns), folder, options);
  throw new Error(`Bug: no recipe ${name}`);
};

const benchRecipe = async (
  pair: Pair,
  name: string,
  index: number,
  options: BenchOptions,
  tools: BenchTools,
): Promise<void> => {
  const folder = `${pair.folder}/${name}`;
  await mkdir(folder);
  const ready = await prepare(name, folder, tools);
  if ('skipped' in ready) {
    const note = `skipped: ${ready.skipped}`;
    tools.figure(figureOf({ name: named(`two-addresses/${name}/wrong`, options), unit: 'failures', values: [], note }));
    return;
  }
  const results: Result[] = [];
  for (const run of counting(options.runs ?? 1)) {
    const recipe = { name, ready, dns: name.startsWith('dns-') };
    const result = await once(pair, recipe, 1_000_000 + 1_000 * index + run, `${folder}/${run}`, tools);
    results.push(result);
    tools.progress(`two-addresses: ${name}, run ${run}: ${words(result)}`);
  }
  for (const figure of figuresOf(name, ready, results, options)) tools.figure(figure);
};

type Pauses = { readonly firstKilledMs: number; readonly secondKilledMs: number; readonly firstStoppedMs: number };
type Result = Verdict & Pauses & { readonly fates: string | null; readonly complaint: string; readonly cut: boolean };

/** Those that know both addresses do transactions only: all of them write an entry and an account. */
const transactionsOnly: KindOf = () => 0;

const once = async (
  { lab, site, folder: _, gateways, authorityPath, resolving }: Pair,
  { ready, dns }: Recipe,
  run: number,
  folder: string,
  tools: BenchTools,
): Promise<Result> => {
  await openKillTest(lab.reached[0], [run]);
  await mkdir(folder);
  const [first, second] = gateways;
  const assignment: Assignment = {
    endpoint: dns ? atName(first.endpoint) : first.endpoint,
    hosts: gateways.map(({ endpoint }) => `${endpoint.host}:${endpoint.port}`).join(','),
    authorityPath,
    certificate: certificateOf(lab),
    run,
    paceMs,
    folder,
  };
  const enter = dns ? resolving : (argv: readonly string[]): readonly string[] => lab.enter(site, argv);
  const client = await runForeign(ready, assignment, { enter, environment: process.env, clock: tools.clock });
  const after = async (event: () => Promise<void>): Promise<number> => {
    client.pauseMs();
    await event();
    await advance(client, tools);
    return client.pauseMs();
  };
  try {
    await advance(client, tools);
    const firstKilledMs = await after(first.kill);
    await first.start();
    const secondKilledMs = await after(second.kill);
    await second.start();
    await advance(client, tools);
    const firstStoppedMs = await after(first.stop);
    await first.start();
    const finished = await client.finish();
    const held = await readHeld(lab.reached[0], run);
    const verdict = judge(finished.said, held, finished.cut, ...(dns ? [] : [transactionsOnly]));
    const { complaint, cut } = finished;
    return { ...verdict, firstKilledMs, secondKilledMs, firstStoppedMs, fates: fatesOf(finished.said), complaint, cut };
  } finally {
    client.kill();
  }
};

const atName = (endpoint: Endpoint): Endpoint => ({ ...endpoint, host: sharedName });

const fatesOf = (said: readonly Said[]): string | null =>
  said.flatMap((each) => (each.kind === 'fate' ? [each.fate] : [])).join(', ') || null;

const words = (result: Result): string =>
  `${result.acknowledged} transactions, pauses ${[result.firstKilledMs, result.secondKilledMs, result.firstStoppedMs].map(Math.round).join(', ')} ms, ` +
  `${result.errors} errors${result.errorCodes === null ? '' : ` (${result.errorCodes}; first: ${result.firstError})`}, fates ${result.fates ?? 'not asked'}, ` +
  `${result.lost} lost, ${result.doubled} doubled, ${result.torn} torn${result.cut ? `; ended by itself: ${result.complaint}` : ''}`;

const figuresOf = (name: string, ready: Ready, results: readonly Result[], options: BenchOptions) => {
  const sum = (pick: (result: Result) => number): number => tenth(results.reduce((total, one) => total + pick(one), 0));
  const dns = name.startsWith('dns-');
  return [
    figureOf({
      name: named(`two-addresses/${name}/pause`, options),
      unit: 'ms',
      values: results.flatMap(({ firstKilledMs, secondKilledMs }) => [firstKilledMs, secondKilledMs]),
      worstBar: pauseBarMs,
      detail: {
        library: ready.version,
        stopped_in_order_ms: Math.round(sum((one) => one.firstStoppedMs) / results.length),
      },
    }),
    figureOf({
      name: named(`two-addresses/${name}/wrong`, options),
      unit: 'failures',
      values: results.map((one) => one.lost + one.doubled + one.torn + (dns ? 0 : one.errors) + Number(one.cut)),
      bar: 0,
      worstBar: 0,
      detail: {
        transactions: sum((one) => one.acknowledged),
        errors: sum((one) => one.errors),
        error_codes:
          results
            .map(({ errorCodes }) => errorCodes)
            .filter((codes) => codes !== null)
            .join('; ') || null,
        fates:
          results
            .map(({ fates }) => fates)
            .filter((fates) => fates !== null)
            .join('; ') || null,
        lost: sum((one) => one.lost),
        doubled: sum((one) => one.doubled),
        torn: sum((one) => one.torn),
      },
    }),
  ];
};
