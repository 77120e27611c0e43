/**
 * `coequal diagnose run --from T --to T`: the diagnosis that a platform makes of a live incident, made of a stretch of time in a store. The
 * code that diagnoses is the same; changes come from a platform's list where one is named, details of databases are not stored.
 */
import { type ChangeEvent, changePage, type IncidentDiagnosis } from '@coequal/contract';
import type { StoredSeries } from '@coequal/diagnosis';
import { type Estate, hostNamed } from '@coequal/estate';
import { fail, reasonOf } from '@coequal/kernel';
import { exitCodes } from '../failure.ts';
import { credentialsOf } from '../platform-client.ts';
import { readEstate } from '../read-estate.ts';
import type { World } from '../world.ts';

export type StoredFlags = {
  readonly from?: number;
  readonly to?: number;
  readonly at?: number;
  readonly store?: string;
  readonly config: string;
  readonly platform?: string;
  readonly tokenFile?: string;
  readonly knowledge?: string;
  readonly weights?: string;
  readonly json?: true;
};

const [shortestMs, longestMs] = [60_000, 60 * 60_000];
const deadlineMs = 30_000;
/** A host with a thousand signals for an hour is some 80 MB of text. */
const answerBytes = 256 * 2 ** 20;
const fileBytes = 128 * 2 ** 20;
/** Changes before the stretch may have led to it. */
const changesBeforeMs = 30 * 60_000;
const usage = (problem: string) => fail('COMMAND_USAGE', { problem, help: 'coequal diagnose run --help' });

export const runStored = async (world: World, flags: StoredFlags): Promise<number> => {
  const { from, to = world.clock.now(), at } = flags;
  if (from === undefined) throw usage('Name a file of cases, or a stretch of time with --from and --to.');
  if (!(to - from >= shortestMs && to - from <= longestMs))
    throw usage('The stretch from --from to --to must be between one minute and one hour long.');
  if (at !== undefined && !(at > from && at <= to)) throw usage('--at must lie between --from and --to.');
  const estate = await readEstate(world, flags.config);
  const code = await world.diagnosis();
  const url = flags.store ?? storeOf(estate);
  const series = await readStore(world, url, code.storedQueries(estate), from, to);
  const window = code.storedWindow(series, from, to);
  if (window.signals.length === 0)
    throw fail('STORE_FAILED', { reason: `it has no signals of ${estate.name} in that time` });
  const read = (path: string, advice: string) => world.files.readData(path, fileBytes, advice);
  const diagnosis = code.diagnoseIncident({
    nowMs: to,
    window,
    triggers: at === undefined ? [] : [{ name: 'noticed', place: {}, startedMs: at }],
    changes:
      flags.platform === undefined
        ? []
        : await readChanges(world, flags.platform, flags.tokenFile, from - changesBeforeMs, to),
    logs: [],
    details: new Map(),
    estate,
    ...(flags.knowledge === undefined
      ? {}
      : {
          knowledge: code.parseKnowledge(
            await read(flags.knowledge, 'Write one with `coequal diagnose learn`.'),
            flags.knowledge,
          ),
        }),
    ...(flags.weights === undefined
      ? {}
      : {
          weights: code.parseWeights(
            await read(flags.weights, 'Write one with `coequal diagnose weigh`.'),
            flags.weights,
          ),
        }),
  });
  world.out(flags.json === true ? `${JSON.stringify(diagnosis)}\n` : `${storedText(diagnosis)}\n`);
  return exitCodes.good;
};

/** The fine store of the estate; one behind mutual TLS needs the certificates of an agent or platform, which a person has not. */
const storeOf = (estate: Estate): string => {
  const store = estate.stores.find((one) => one.class === 'fine');
  if (store?.kind === 'foreign') return store.url;
  if (store?.kind === 'own' && store.tls === undefined) {
    const address = hostNamed(estate, store.host)?.at.address ?? '127.0.0.1';
    return `http://${address.includes(':') ? `[${address}]` : address}:${store.port}`;
  }
  throw usage(`${estate.name} has no store that can be asked from here. Name one with --store URL.`);
};

const readStore = async (
  world: World,
  url: string,
  queries: readonly { readonly host: string; readonly promql: string }[],
  from: number,
  to: number,
): Promise<readonly StoredSeries[]> => {
  const { StoreClient } = await import('@coequal/signals');
  const client = new StoreClient({ url, deadlineMs, answerBytes, signal: world.interrupted });
  try {
    const found: StoredSeries[] = [];
    for (const { promql } of queries) {
      const answer = await client.range(promql, from, to, 1_000);
      if (!answer.ok) throw fail('STORE_FAILED', { reason: answer.what });
      found.push(...answer.series.map((one) => ({ ...one, labels: Object.fromEntries(one.labels) })));
    }
    return found;
  } finally {
    client.close();
  }
};

/** Of one page: a thousand changes within an hour are a script, and its first thousand say so. */
const changeLimit = 1_000;
const changeBytes = 8 * 2 ** 20;

const readChanges = async (
  world: World,
  platform: string,
  tokenFile: string | undefined,
  fromMs: number,
  toMs: number,
): Promise<readonly ChangeEvent[]> => {
  const failed = (reason: string, error?: unknown) =>
    fail(
      'STORE_FAILED',
      { reason: `the changes of ${platform}: ${reason}` },
      error === undefined ? {} : { cause: error },
    );
  const headers = await credentialsOf(world, tokenFile);
  const query = new URLSearchParams({ fromMs: String(fromMs), toMs: String(toMs), limit: String(changeLimit) });
  let text: string;
  try {
    const answer = await fetch(`${platform.replace(/\/+$/, '')}/api/v1/changes?${query}`, {
      headers,
      redirect: 'error',
      signal: AbortSignal.any([world.interrupted, AbortSignal.timeout(deadlineMs)]),
    });
    text = await answer.text();
    if (!answer.ok) throw failed(`it answers ${answer.status}`);
  } catch (error) {
    throw failed(reasonOf(error), error);
  }
  if (text.length > changeBytes) throw failed('the answer is too long');
  const page = changePage.safeParse(jsonOf(text));
  if (!page.success) throw failed('the answer is no list of changes');
  return page.data.items;
};

/** Undefined where it is no JSON: no list of changes is undefined. */
const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
};

const percent = (share: number): string => `${Math.round(share * 100)} %`;

export const storedText = ({ sentence, causes, ruledOut, unknown }: IncidentDiagnosis): string =>
  [
    sentence,
    ...causes
      .slice(0, 3)
      .flatMap(({ cause, place, confidence, evidence, witnesses, runbook }) => [
        `${cause} at ${place.gateway ?? place.instance ?? place.host ?? place.site ?? place.service ?? 'the estate'}: ${percent(confidence)}` +
          (runbook === undefined ? '' : `, runbook ${runbook}`),
        ...evidence.map(({ text }) => `  because ${text}`),
        `  said by ${witnesses.map(({ witness, weight }) => `${witness} (${percent(weight)})`).join(', ')}`,
      ]),
    ...ruledOut.map((text) => `not ${text}`),
    `unlike anything known: ${percent(unknown)}`,
  ].join('\n');
