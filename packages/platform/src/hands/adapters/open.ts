/**
 * Opens the line to agents that act, where the estate has one for this platform: with an authority of its own that lies in its state folder, or with
 * the bank's. And what is done about agents on the platform's machine: inviting, listing, revoking.
 */
import { readFile } from 'node:fs/promises';
import type { Invitation } from '@coequal/contract';
import { type Estate, hostNamed, type Line } from '@coequal/estate';
import { assert, type Clock, fail, type Log, reasonOf } from '@coequal/kernel';
import {
  type AuditWriter,
  type Authority,
  answerRequest,
  type Credentials,
  certificateLifetimeMs,
  lineName,
  makeRequest,
  readPrivate,
} from '@coequal/trust';
import type { PlatformSettings } from '../../settings.ts';
import { handsLimits } from '../limits.ts';
import type { Hear } from '../ports.ts';
import { type HandsFolder, openHandsFolder } from './folder.ts';
import { type LineServer, startLineServer } from './line-server.ts';

export type OpenHandsOptions = {
  readonly settings: PlatformSettings;
  readonly audit: AuditWriter;
  readonly hear: Hear;
  readonly clock: Clock;
  readonly log: Log;
};

/** Undefined: this platform has no line. @throws PORT_BUSY, FILE_UNREADABLE, FOLDER_UNWRITABLE */
export const openHands = async (options: OpenHandsOptions): Promise<LineServer | undefined> => {
  const { settings, audit, hear, clock, log } = options;
  const { platform, estate } = settings;
  const { line } = platform;
  if (line === undefined) return undefined;
  const folder = await openHandsFolder(platform.stateFolder, clock);
  const whose = await authorityOf(line, folder, clock);
  const server = await startLineServer({
    ...{ folder, audit, hear, clock, log, ...whose },
    address: line.address ?? addressOf(estate, platform.host),
    port: line.port,
    agents: actingAgents(estate),
  });
  log('info', 'agents may dial in', {
    port: server.port,
    authority: whose.issuer === undefined ? "the bank's" : line.name,
  });
  return server;
};

const actingAgents = (estate: Estate): ReadonlySet<string> =>
  new Set(estate.agents.flatMap(({ name, acts }) => (acts === undefined ? [] : [name])));

const addressOf = (estate: Estate, host: string): string => {
  const place = hostNamed(estate, host);
  assert(place !== undefined, 'a parsed estate places every platform on a known host');
  return place.at.address;
};

type Whose = {
  readonly issuer: Authority | undefined;
  readonly authority: string;
  readonly own: () => Promise<Credentials>;
};

const authorityOf = async ({ name, ...files }: Line, folder: HandsFolder, clock: Clock): Promise<Whose> => {
  const { authority, certificate, key } = files;
  if (authority !== undefined && certificate !== undefined && key !== undefined) {
    const own = async () => ({ certificate: await readPem(certificate), key: await readKey(key) });
    return { issuer: undefined, authority: await readPem(authority), own };
  }
  const issuer = await folder.authority(name);
  const own = async (): Promise<Credentials> => {
    const made = await makeRequest(lineName);
    const names = {
      commonName: name,
      dnsNames: [lineName],
      usage: 'server',
      lifetimeMs: certificateLifetimeMs,
    } as const;
    return { certificate: await answerRequest(issuer, made.request, names, clock), key: made.key };
  };
  return { issuer, authority: issuer.certificate, own };
};

const readPem = async (path: string): Promise<string> => {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw fail('FILE_UNREADABLE', { path, reason: reasonOf(error) }, { cause: error });
  }
};

const readKey = async (path: string): Promise<string> => {
  const text = await readPrivate(path, (reason, cause) => fail('FILE_UNREADABLE', { path, reason }, { cause }));
  if (text === undefined) throw fail('FILE_MISSING', { path, advice: 'Put the key of the line there.' });
  return text;
};

/** Who is asked for on the platform's machine, by somebody who may write its state folder. */
export type Asked = {
  readonly settings: PlatformSettings;
  readonly agent: string;
  readonly by: string;
  readonly clock: Clock;
};

/** What is handed to whoever enrols the agent. @throws ENROLMENT_REFUSED, FOLDER_UNWRITABLE */
export const inviteAgent = async ({ settings, agent, by, clock }: Asked): Promise<Invitation> => {
  const { platform, estate } = settings;
  const { line } = platform;
  const refused = (reason: string, advice: string) => fail('ENROLMENT_REFUSED', { reason, advice });
  if (line === undefined)
    throw refused(
      `the platform ${platform.name} has no line`,
      'Give it `line` in the estate; docs/actions.md has the rest.',
    );
  if (line.authority !== undefined)
    throw refused('the bank issues certificates here', 'Have the bank issue one, and name its files below `acts`.');
  if (!actingAgents(estate).has(agent))
    throw refused(
      `no agent ${agent} of the estate acts`,
      'Give it `acts` in the estate, and start the platform again.',
    );
  const folder = await openHandsFolder(platform.stateFolder, clock);
  const { certificate } = await folder.authority(line.name);
  const untilMs = clock.now() + handsLimits.invitationMs;
  const secret = await folder.invite({ agent, by, untilMs });
  const address = line.address ?? addressOf(estate, platform.host);
  return { version: 1, agent, platforms: [{ address, port: line.port }], authority: certificate, secret, untilMs };
};

/** Its certificates count no more, and its line ends within a second. @throws ENROLMENT_REFUSED: it was never enrolled */
export const revokeAgent = async ({ settings, agent, clock }: Omit<Asked, 'by'>): Promise<void> => {
  const folder = await openHandsFolder(settings.platform.stateFolder, clock);
  const record = await folder.record(agent);
  if (record === undefined)
    throw fail('ENROLMENT_REFUSED', {
      reason: `${agent} was never enrolled here`,
      advice: 'See `coequal platform agents`.',
    });
  await folder.write({ ...record, revoked: true });
};

export type EnrolledAgent = { readonly agent: string; readonly enrolledMs: number; readonly revoked: boolean };

export const enrolledAgents = async (settings: PlatformSettings, clock: Clock): Promise<readonly EnrolledAgent[]> => {
  const folder = await openHandsFolder(settings.platform.stateFolder, clock);
  return (await folder.records()).map(({ agent, enrolledMs, revoked }) => ({ agent, enrolledMs, revoked }));
};
