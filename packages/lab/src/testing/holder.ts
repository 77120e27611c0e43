/**
 * Stands in for the lab's daemon in the network's tests: runs inside the namespaces, holds a network open, has a peer
 * (`peer.ts`) in every site, and does what lines of JSON on its standard input say.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { reasonOf, systemClock } from '@coequal/kernel';
import { asOrdinaryUser, insideSetup } from '../network/namespaces.ts';
import { type LabNetwork, openNetwork } from '../network/network.ts';
import { parseRtt } from '../network/rtt.ts';
import { runnerFor } from '../process/run.ts';
import { type Conversation, converse } from './lines.ts';
import type { PeerTask } from './peer.ts';

export type HolderOptions = {
  readonly sites: readonly string[];
  readonly rtt: string;
  readonly folder: string;
  readonly paths: Readonly<Record<string, string>>;
  readonly environment: Readonly<Record<string, string>>;
};

export type HolderCall =
  | {
      readonly call: 'network';
      readonly method: 'cut' | 'uncut' | 'setLatency' | 'setLoss' | 'clear' | 'close';
      readonly args: readonly unknown[];
    }
  | { readonly call: 'facts' }
  | { readonly call: 'peer'; readonly site: string; readonly task: PeerTask }
  /** Runs a program to its end, in a site or in the hub, as the ordinary user that servers run as. */
  | { readonly call: 'run'; readonly site?: string; readonly argv: readonly string[] };

const PEER = fileURLToPath(new URL('./peer.ts', import.meta.url));

const options = JSON.parse(process.argv[2] ?? '{}') as HolderOptions;
const programs = { path: (name: string) => options.paths[name], environment: options.environment };
const runner = runnerFor(programs);

const startPeers = async (network: LabNetwork): Promise<ReadonlyMap<string, Conversation>> => {
  const peers = new Map<string, Conversation>();
  const places = [
    ['hub', [process.execPath, PEER]] as const,
    ...options.sites.map((site) => [site, network.enter(site, [process.execPath, PEER])] as const),
  ];
  for (const [place, argv] of places) {
    const [program = '', ...rest] = argv;
    peers.set(place, converse(spawn(program, rest, { stdio: ['pipe', 'pipe', 'pipe'] })));
  }
  await Promise.all([...peers.values()].map(({ ready }) => ready));
  return peers;
};

await insideSetup();
const parsed = parseRtt(options.rtt, options.sites);
if (!parsed.ok) throw new Error(parsed.problem);
const network = await openNetwork({
  sites: options.sites,
  rttMs: parsed.rttMs,
  programs,
  folder: options.folder,
  log: (level, event, fields) => process.stderr.write(`${level} ${event} ${JSON.stringify(fields)}\n`),
  clock: systemClock,
});
const peers = await startPeers(network);

const answer = async (call: HolderCall): Promise<unknown> => {
  switch (call.call) {
    case 'facts': {
      const [a = '', b = ''] = options.sites;
      return { limits: network.limits, measuredMs: network.measuredRttMs(a, b), uid: process.getuid?.() };
    }
    case 'network': {
      const method = network[call.method] as (...args: readonly unknown[]) => Promise<void>;
      return method(...call.args);
    }
    case 'peer':
      return peers.get(call.site)?.ask({ task: call.task });
    case 'run': {
      const argv = asOrdinaryUser([runner.tool(call.argv[0] ?? ''), ...call.argv.slice(1)]);
      return runner.attempt(call.site === undefined ? argv : network.enter(call.site, argv));
    }
  }
};

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { id, ...call } = JSON.parse(line) as HolderCall & { readonly id: number };
    answer(call as HolderCall).then(
      (value) => process.stdout.write(`${JSON.stringify({ id, answer: value ?? null })}\n`),
      (error: unknown) => process.stdout.write(`${JSON.stringify({ id, problem: reasonOf(error) })}\n`),
    );
  })
  .on('close', () => process.exit(0));
process.stdout.write(`${JSON.stringify({ ready: true })}\n`);
