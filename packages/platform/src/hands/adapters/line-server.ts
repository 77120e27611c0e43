/**
 * Where agents dial in: TLS 1.3 with certificates on both sides. Without one an agent may only enrol, and then the line ends. A certificate must be
 * of the authority, in its time, for one agent of the estate that acts, and one that still counts. An agent has one line: a newer one
 * ends the older.
 */
import { X509Certificate } from 'node:crypto';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { type FromAgent, type FromPlatform, fromAgent, LineReader, lineVersion, type Preview } from '@coequal/contract';
import { type Clock, CoequalError, codeOf, fail, type Log, reasonOf, within } from '@coequal/kernel';
import {
  type AuditWriter,
  type Authority,
  agentHostName,
  agentOfCertificate,
  answerRequest,
  type Credentials,
  certificateLifetimeMs,
} from '@coequal/trust';
import { decideEnrolment, refusalOf, withCertificate } from '../enrolment.ts';
import { handsLimits } from '../limits.ts';
import type { AgentLines, ConnectedAgent, Hear } from '../ports.ts';
import type { HandsFolder } from './folder.ts';

export type LineServerOptions = {
  readonly address: string;
  readonly port: number;
  readonly folder: HandsFolder;
  /** What agents' certificates must be of; the key is there when this platform issues them. */
  readonly issuer: Authority | undefined;
  readonly authority: string;
  readonly own: () => Promise<Credentials>;
  /** Agents of the estate that act. */
  readonly agents: ReadonlySet<string>;
  readonly hear: Hear;
  readonly audit: AuditWriter;
  readonly clock: Clock;
  readonly log: Log;
};

export type LineServer = AgentLines & { readonly port: number; readonly close: () => Promise<void> };

/** @throws PORT_BUSY, and what keeps the certificates from being read */
export const startLineServer = async (options: LineServerOptions): Promise<LineServer> => {
  const lines = new Lines(options);
  await lines.open();
  return lines;
};

type Peer = {
  readonly socket: TLSSocket;
  readonly agent: string;
  readonly certificate: string;
  readonly certificateUntilMs: number;
  readonly sinceMs: number;
  heardMs: number;
  hello: { readonly program: string; readonly actions: readonly string[] } | undefined;
  clockAheadMs: number;
};

class Lines implements LineServer {
  readonly #options: LineServerOptions;
  readonly #peers = new Map<string, Peer>();
  readonly #sockets = new Set<TLSSocket>();
  readonly #previews = new Map<number, (preview: Preview) => void>();
  #server: Server | undefined;
  #strangers = 0;
  #nextPreview = 1;
  #mark = '';
  #timers: NodeJS.Timeout[] = [];
  port = 0;

  constructor(options: LineServerOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    const { address, port, authority, own, log } = this.#options;
    const { certificate, key } = await own();
    const server = createServer({
      minVersion: 'TLSv1.3',
      ...{ cert: certificate, key, ca: authority },
      requestCert: true,
      // Whoever has none may enrol; everything else is refused below, with words.
      rejectUnauthorized: false,
      handshakeTimeout: handsLimits.strangerMs,
    });
    server.maxConnections = handsLimits.lines;
    server.on('secureConnection', (socket) => this.#accept(socket));
    server.on('tlsClientError', (error) =>
      log('info', 'no line: its handshake failed', { reason: codeOf(error) ?? '' }),
    );
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) =>
        reject(
          codeOf(error) === 'EADDRINUSE'
            ? fail('PORT_BUSY', { port, address, subject: 'the line of the platform' }, { cause: error })
            : error,
        ),
      );
      server.listen(port, address, resolve);
    });
    const at = server.address();
    this.port = typeof at === 'object' && at !== null ? at.port : port;
    this.#server = server;
    this.#every(handsLimits.lookEveryMs, () => this.#look());
    this.#every(handsLimits.renewEveryMs, async () => {
      const renewed = await own();
      server.setSecureContext({ cert: renewed.certificate, key: renewed.key, ca: authority, minVersion: 'TLSv1.3' });
    });
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) =>
      this.#server === undefined ? resolve() : this.#server.close(() => resolve()),
    );
  }

  connected(): readonly ConnectedAgent[] {
    return [...this.#peers.values()].flatMap(({ agent, sinceMs, hello, clockAheadMs, certificateUntilMs }) =>
      hello === undefined ? [] : [{ agent, sinceMs, clockAheadMs, certificateUntilMs, ...hello }],
    );
  }

  order(agent: string, order: Parameters<AgentLines['order']>[1]): void {
    this.#say(this.#peer(agent).socket, { kind: 'order', ...order });
  }

  cancel(agent: string, key: string): void {
    this.#say(this.#peer(agent).socket, { kind: 'cancel', key });
  }

  ask(agent: string, key: string): void {
    this.#say(this.#peer(agent).socket, { kind: 'ask', key });
  }

  async preview(agent: string, action: Parameters<AgentLines['preview']>[1]): Promise<Preview> {
    const { socket } = this.#peer(agent);
    const id = this.#nextPreview;
    this.#nextPreview += 1;
    const answer = new Promise<Preview>((resolve) => this.#previews.set(id, resolve));
    try {
      this.#say(socket, { kind: 'preview', id, action });
      const wait = { what: `What ${agent} would do`, deadlineMs: handsLimits.previewMs };
      return await within(this.#options.clock, wait, answer);
    } finally {
      this.#previews.delete(id);
    }
  }

  #peer(agent: string): Peer {
    const peer = this.#peers.get(agent);
    if (peer?.hello === undefined) throw fail('AGENT_AWAY', { name: agent });
    return peer;
  }

  #accept(socket: TLSSocket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', (error) => this.#options.log('info', 'a line broke', { reason: codeOf(error) ?? '' }));
    socket.on('close', () => this.#sockets.delete(socket));
    const shown = socket.getPeerCertificate();
    const work = shown.raw === undefined ? this.#meetStranger(socket) : this.#meet(socket, shown.raw);
    work.catch((error: unknown) => this.#refuse(socket, this.#wordsOf(error)));
  }

  /** Messages of our own say nothing secret; anything else is in the log alone. */
  #wordsOf(error: unknown): string {
    if (error instanceof CoequalError && error.kind !== 'bug') return error.message;
    this.#options.log('error', 'a line failed', { reason: reasonOf(error) });
    return 'the platform could not do it; its log says why';
  }

  async #meetStranger(socket: TLSSocket): Promise<void> {
    if (this.#strangers >= handsLimits.strangers) return this.#refuse(socket, 'too many are enrolling at once');
    this.#strangers += 1;
    socket.once('close', () => {
      this.#strangers -= 1;
    });
    const over = setTimeout(() => socket.destroy(), handsLimits.strangerMs);
    socket.once('close', () => clearTimeout(over));
    const reader = new LineReader();
    let said = false;
    socket.on('data', (chunk: Buffer) => {
      const read = reader.read(chunk);
      if (!read.ok) return this.#refuse(socket, read.reason);
      const [first] = read.values;
      if (first === undefined || said) return;
      said = true;
      const parsed = fromAgent.safeParse(first);
      if (!parsed.success || parsed.data.kind !== 'enrol')
        return this.#refuse(socket, 'without a certificate an agent can only enrol');
      this.#enrol(socket, parsed.data).catch((error: unknown) => this.#refuse(socket, this.#wordsOf(error)));
    });
  }

  async #enrol(socket: TLSSocket, { secrets, request }: FromAgent & { kind: 'enrol' }): Promise<void> {
    const { folder, issuer, clock, agents } = this.#options;
    if (issuer === undefined) return this.#refuse(socket, 'certificates are issued by the bank here');
    const distinct = [...new Set(secrets)];
    const invitations = await Promise.all(distinct.map((secret) => folder.invitation(secret)));
    const records = new Map((await folder.records()).map((record) => [record.agent, record]));
    const decision = decideEnrolment(invitations, (agent) => records.get(agent), clock.now());
    if (!decision.ok) {
      await this.#record('enrol', 'unknown', 'refused', decision.reason);
      return this.#refuse(socket, decision.reason);
    }
    const { agent, by } = decision;
    if (!agents.has(agent)) return this.#refuse(socket, `no agent ${agent} of the estate acts`);
    const certificate = await this.#issue(issuer, agent, request);
    for (const secret of distinct)
      if (!(await folder.use(secret))) return this.#refuse(socket, 'the invitation was used meanwhile');
    await this.#record('enrol', agent, 'done', `invited by ${by.join(' and ')}`);
    const digest = digestOf(certificate);
    await folder.write(withCertificate(records.get(agent), agent, digest, undefined, clock.now()));
    this.#peers.get(agent)?.socket.destroy();
    this.#say(socket, { kind: 'issued', certificate, authority: issuer.certificate });
    socket.end();
  }

  #issue(issuer: Authority, agent: string, request: string): Promise<string> {
    const names = { commonName: agent, dnsNames: [agentHostName(agent)], usage: 'client' } as const;
    return answerRequest(issuer, request, { ...names, lifetimeMs: certificateLifetimeMs }, this.#options.clock);
  }

  async #meet(socket: TLSSocket, raw: Buffer): Promise<void> {
    const { folder, issuer, agents, clock } = this.#options;
    if (!socket.authorized) return this.#refuse(socket, notAuthorised(String(socket.authorizationError)));
    const agent = agentOfCertificate(raw);
    if (agent === undefined) return this.#refuse(socket, 'this certificate is for no agent');
    if (!agents.has(agent)) return this.#refuse(socket, `no agent ${agent} of the estate acts`);
    const digest = digestOf(raw);
    const record = await folder.record(agent);
    const refusal = issuer === undefined ? revokedOnly(record?.revoked) : refusalOf(record, digest);
    if (refusal !== undefined) {
      await this.#record('line', agent, 'refused', refusal);
      return this.#refuse(socket, refusal);
    }
    if (socket.destroyed) return;
    const peer: Peer = {
      ...{ socket, agent, certificate: digest, sinceMs: clock.now(), heardMs: clock.monotonic() },
      certificateUntilMs: new X509Certificate(raw).validToDate.getTime(),
      hello: undefined,
      clockAheadMs: 0,
    };
    this.#serve(peer);
  }

  #serve(peer: Peer): void {
    const { clock, log } = this.#options;
    const { socket, agent } = peer;
    const reader = new LineReader();
    socket.on('data', (chunk: Buffer) => {
      peer.heardMs = clock.monotonic();
      const read = reader.read(chunk);
      if (!read.ok) return this.#refuse(socket, read.reason);
      for (const value of read.values) {
        const parsed = fromAgent.safeParse(value);
        if (!parsed.success) return this.#refuse(socket, 'a message was not understood');
        this.#take(peer, parsed.data).catch((error: unknown) => this.#refuse(socket, this.#wordsOf(error)));
      }
    });
    socket.on('close', () => {
      if (this.#peers.get(agent) !== peer) return;
      this.#peers.delete(agent);
      log('info', 'an agent is away', { agent });
    });
  }

  async #take(peer: Peer, message: FromAgent): Promise<void> {
    const { clock, hear, log, folder, issuer } = this.#options;
    const { socket, agent } = peer;
    switch (message.kind) {
      case 'hello': {
        if (message.version !== lineVersion)
          return this.#refuse(socket, `this platform speaks version ${lineVersion}, and not ${message.version}`);
        peer.hello = { program: message.program, actions: message.actions };
        peer.clockAheadMs = message.nowMs - clock.now();
        const older = this.#peers.get(agent);
        this.#peers.set(agent, peer);
        // Revoked between the look at its record and now: looked at once more.
        this.#mark = '';
        if (older !== undefined && older !== peer) older.socket.destroy();
        log('info', 'an agent has a line', { agent, clockAheadMs: peer.clockAheadMs });
        if (Math.abs(peer.clockAheadMs) > handsLimits.clockOffsetMs)
          log('warn', 'the clock of an agent is off', { agent, aheadMs: peer.clockAheadMs });
        this.#say(socket, { kind: 'welcome', nowMs: clock.now() });
        await hear(agent, { kind: 'connected' });
        return;
      }
      case 'ping':
        peer.clockAheadMs = message.nowMs - clock.now();
        this.#say(socket, { kind: 'pong', nowMs: clock.now() });
        return;
      case 'renew': {
        if (issuer === undefined) return this.#refuse(socket, 'certificates are issued by the bank here');
        const certificate = await this.#issue(issuer, agent, message.request);
        const record = await folder.record(agent);
        const refusal = refusalOf(record, peer.certificate);
        if (refusal !== undefined) return this.#refuse(socket, refusal);
        await this.#record('renew', agent, 'done');
        await folder.write(withCertificate(record, agent, digestOf(certificate), peer.certificate, clock.now()));
        this.#say(socket, { kind: 'issued', certificate, authority: issuer.certificate });
        return;
      }
      case 'state':
        await hear(agent, { kind: 'state', order: message.order });
        if (message.order.state === 'ended') this.#say(socket, { kind: 'heard', key: message.order.key });
        return;
      case 'rejected':
        await hear(agent, { kind: 'rejected', key: message.key, reason: message.reason });
        return;
      case 'unknown':
        await hear(agent, { kind: 'unknown', key: message.key });
        return;
      case 'previewed':
        this.#previews.get(message.id)?.(message.preview);
        return;
      case 'enrol':
        return this.#refuse(socket, 'this agent is enrolled');
    }
  }

  /** Dead lines end, and so do those whose certificate ran out or was revoked meanwhile. */
  async #look(): Promise<void> {
    const { clock, folder, issuer } = this.#options;
    for (const peer of this.#peers.values())
      if (clock.monotonic() - peer.heardMs > handsLimits.silenceMs) peer.socket.destroy();
      else if (clock.now() >= peer.certificateUntilMs) this.#refuse(peer.socket, 'its certificate ran out');
    // Read before the records: what is written meanwhile is seen the next time.
    const mark = await folder.mark();
    if (mark === this.#mark) return;
    const records = new Map((await folder.records()).map((record) => [record.agent, record]));
    for (const peer of this.#peers.values()) {
      const record = records.get(peer.agent);
      const refusal = issuer === undefined ? revokedOnly(record?.revoked) : refusalOf(record, peer.certificate);
      if (refusal !== undefined) this.#refuse(peer.socket, refusal);
    }
    this.#mark = mark;
  }

  #every(ms: number, work: () => Promise<void>): void {
    let busy = false;
    const timer = setInterval(() => {
      if (busy) return;
      busy = true;
      work()
        .catch((error: unknown) => this.#options.log('error', 'a look at lines failed', { reason: reasonOf(error) }))
        .finally(() => {
          busy = false;
        });
    }, ms);
    this.#timers.push(timer);
  }

  #refuse(socket: TLSSocket, reason: string): void {
    this.#say(socket, { kind: 'refused', reason });
    socket.end();
    socket.removeAllListeners('data');
    socket.resume();
  }

  #say(socket: TLSSocket, message: FromPlatform): void {
    if (socket.destroyed || socket.writableEnded) return;
    if (socket.writableLength > handsLimits.backlogBytes) {
      socket.destroy();
      return;
    }
    socket.write(`${JSON.stringify(message)}\n`);
  }

  #record(action: string, agent: string, result: 'done' | 'refused', reason?: string): Promise<void> {
    const entry = { actor: `agent:${agent}`, action: `agent.${action}`, target: `agent:${agent}`, result };
    return this.#options.audit.write({ ...entry, ...(reason === undefined ? {} : { reason }) });
  }
}

const digestOf = (certificate: string | Uint8Array): string => new X509Certificate(certificate).fingerprint256;

const revokedOnly = (revoked: boolean | undefined): string | undefined =>
  revoked === true ? 'this agent was revoked' : undefined;

const notAuthorised = (error: string): string => {
  if (error.includes('CERT_HAS_EXPIRED'))
    return 'its certificate is over by the clock of the platform: two people can enrol it again; or a clock is wrong by days';
  if (error.includes('CERT_NOT_YET_VALID'))
    return 'its certificate is not valid yet by the clock of the platform: a clock is wrong by days';
  return 'its certificate is not of the authority of this platform';
};
