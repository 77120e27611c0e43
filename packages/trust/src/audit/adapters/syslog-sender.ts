/**
 * Sends records on as syslog over TLS. The chain on the disk is the queue: nothing is kept in memory, and nothing is lost while the chain
 * is there. Syslog has no acknowledgement, so a record counts as sent when its connection has lived on for a while after it, or was
 * closed in order; what had not settled when a connection broke is sent again. A receiver sees by chain and number what came twice.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { type Clock, codeOf, fail, reasonOf, within } from '@coequal/kernel';
import { writeSecretFile } from '../../adapters/secret-file.ts';
import { readRecord } from '../record.ts';
import { syslogFrame, syslogMessage } from '../syslog.ts';
import { linesOf, segmentPaths } from './segments.ts';

export type SyslogTarget = {
  readonly host: string;
  readonly port: number;
  /** PEM files. The authority checks the server; certificate and key are shown to it. */
  readonly authority: string;
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
};

export type SyslogOptions = {
  readonly folder: string;
  /** Name of this host in the messages. */
  readonly hostName: string;
  readonly target: SyslogTarget;
  readonly clock: Clock;
  /** How long a connection has to live on after a record. */
  readonly settleMs?: number;
};

const usualSettleMs = 10_000;
const connectMs = 10_000;
/** A server that takes nothing for so long is away. */
const stallMs = 30_000;

type Unsettled = { readonly sequence: number; readonly atMs: number };

export class SyslogSender {
  readonly #options: SyslogOptions;
  readonly #settleMs: number;
  #socket: TLSSocket | undefined;
  /** Records up to this one need not be sent again. */
  #settled: number | undefined;
  #written = 0;
  #unsettled: Unsettled[] = [];

  constructor(options: SyslogOptions) {
    this.#options = options;
    this.#settleMs = options.settleMs ?? usualSettleMs;
  }

  get position(): { readonly written: number; readonly settled: number } {
    return { written: this.#written, settled: this.#settled ?? 0 };
  }

  /** Sends what has not been sent. @throws SYSLOG_UNREACHABLE; what waits stays where it is */
  async send(): Promise<void> {
    this.#settled ??= await this.#readCursor();
    try {
      const socket = await this.#connected();
      const { folder, hostName } = this.#options;
      for await (const lines of linesOf(await this.#segmentsFrom(folder, this.#written + 1)))
        for (const { text, whole } of lines) {
          const record = whole ? readRecord(text)?.record : undefined;
          if (record === undefined || record.sequence <= this.#written) continue;
          await this.#write(socket, syslogFrame(syslogMessage(record, text, hostName)));
          this.#written = record.sequence;
          this.#unsettled.push({ sequence: record.sequence, atMs: this.#options.clock.monotonic() });
        }
      await this.#settle();
    } catch (error) {
      this.#drop();
      throw this.#unreachable(reasonOf(error), error);
    }
  }

  /** Ends the connection in order: what the server has taken then is settled. */
  async close(): Promise<void> {
    const socket = this.#socket;
    if (socket === undefined) return;
    const ended = new Promise<void>((resolve, reject) => {
      socket
        .once('end', resolve)
        .once('error', reject)
        .once('close', () => reject(new Error('it was cut')));
    });
    socket.end();
    const wait = { what: 'The end of the connection', deadlineMs: connectMs };
    const inOrder = await within(this.#options.clock, wait, ended).then(
      () => true,
      () => false,
    );
    // When it did not end in order, what has not settled is sent again the next time.
    if (inOrder) await this.#settle(true);
    this.#drop();
  }

  /** Segments before the one that has a record hold nothing that is wanted. */
  async #segmentsFrom(folder: string, sequence: number): Promise<readonly string[]> {
    const paths = await segmentPaths(folder);
    const from = paths.findLastIndex((path) => Number(/(\d{12})\.ndjson$/.exec(path)?.[1]) <= sequence);
    return paths.slice(Math.max(0, from));
  }

  async #connected(): Promise<TLSSocket> {
    const { target, clock } = this.#options;
    if (this.#socket !== undefined && !this.#socket.destroyed) return this.#socket;
    this.#drop();
    const [ca, cert, key] = await Promise.all(
      [target.authority, target.certificate, target.key].map((path) =>
        path === undefined ? undefined : readFile(path),
      ),
    );
    const socket = connect({
      host: target.host,
      port: target.port,
      minVersion: 'TLSv1.2',
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    });
    const ready = new Promise<void>((resolve, reject) => {
      socket
        .once('secureConnect', resolve)
        .once('error', reject)
        .once('close', () => reject(new Error('it closed the connection')));
    });
    try {
      await within(clock, { what: 'A connection', deadlineMs: connectMs }, ready);
    } catch (error) {
      socket.destroy();
      throw error;
    }
    // Whatever ends it, what had not settled is sent again.
    socket.on('error', () => socket.destroy());
    // Servers say nothing; what they send is not kept. An end of theirs is the end.
    socket.on('data', () => undefined).once('end', () => socket.destroy());
    this.#socket = socket;
    this.#written = this.#settled ?? 0;
    this.#unsettled = [];
    return socket;
  }

  async #write(socket: TLSSocket, frame: Buffer): Promise<void> {
    if (socket.destroyed) throw new Error('it closed the connection');
    const taken = new Promise<void>((resolve, reject) => {
      const closed = (): void => reject(new Error('it closed the connection'));
      socket.once('close', closed);
      socket.write(frame, (error) => {
        socket.off('close', closed);
        if (error === null || error === undefined) resolve();
        else reject(error);
      });
    });
    await within(this.#options.clock, { what: 'That the server takes a record', deadlineMs: stallMs }, taken);
  }

  async #settle(all = false): Promise<void> {
    const before = this.#options.clock.monotonic() - this.#settleMs;
    const done = this.#unsettled.filter(({ atMs }) => all || atMs <= before).at(-1);
    if (done === undefined) return;
    this.#unsettled = this.#unsettled.filter(({ sequence }) => sequence > done.sequence);
    this.#settled = done.sequence;
    await writeSecretFile(this.#cursorPath(), `${done.sequence}\n`);
  }

  #drop(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #cursorPath(): string {
    return join(this.#options.folder, '.syslog');
  }

  async #readCursor(): Promise<number> {
    try {
      const text = await readFile(this.#cursorPath(), 'utf8');
      // Anything else than a number: from the beginning; twice is better than never.
      return /^\d{1,15}\n$/.test(text) ? Number(text) : 0;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return 0;
      throw error;
    }
  }

  #unreachable(reason: string, cause: unknown) {
    const { host, port } = this.#options.target;
    return fail('SYSLOG_UNREACHABLE', { address: `${host}:${port}`, reason }, { cause });
  }
}
