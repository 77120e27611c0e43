/**
 * Lets clients in: greeting, TLS, and the proof of the password against the database's own accounts, with what is needed
 * to log in to any instance later. Whoever is refused learns no more than a server would tell.
 */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import type { SecureContext, TLSSocket } from 'node:tls';
import {
  type Attributes,
  type Capabilities,
  CLIENT,
  COLLATION,
  encodeAuthSwitch,
  encodeGreeting,
  errPacket,
  frame,
  intersect,
  isProblem,
  type Login,
  MARIADB,
  scramble as makeScramble,
  nativePlugin,
  parseClientHello,
  SERVER_ERROR,
  type ServerError,
  STATUS,
  withoutUnsupported,
} from '@coequal/mysql-wire';
import type { Credential, Door, Refusal, Who } from '../../accounts/login.ts';
import type { WorkerPorts } from '../../operate/ports.ts';
import { ClientGone, ClientSocket } from './client-socket.ts';

/** A client that may be served. */
export type LoggedIn = {
  readonly socket: Socket | TLSSocket;
  readonly rest: Buffer;
  readonly address: string;
  readonly port: number;
  readonly user: string;
  /** May end the sessions of others. */
  readonly privileged: boolean;
  readonly credential: Credential;
  readonly capabilities: Capabilities;
  readonly collation: number;
  readonly attributes: Attributes;
  readonly database: string;
  readonly encrypted: boolean;
  /** What COM_CHANGE_USER proves itself with. */
  readonly scramble: Buffer;
  /** The number of the packet that says OK. */
  readonly sequence: number;
};

export type Gate = {
  readonly worker: WorkerPorts;
  readonly lookUp: (who: Who) => Door;
  /** The account may have changed since it was looked up: reads the accounts anew, at most now and then. */
  readonly refresh: () => Promise<void>;
  readonly serverVersion: () => string;
  readonly proxied: (address: string) => boolean;
  readonly limits: { readonly connections: number; readonly handshakeMs: number };
};

/** Everybody's connections are counted under a name that no account can have. */
export const everybody = '';

const offered = (encrypting: boolean): Capabilities => ({
  base:
    (CLIENT.FOUND_ROWS |
      CLIENT.LONG_FLAG |
      CLIENT.CONNECT_WITH_DB |
      CLIENT.NO_SCHEMA |
      CLIENT.LOCAL_FILES |
      CLIENT.IGNORE_SPACE |
      CLIENT.PROTOCOL_41 |
      CLIENT.INTERACTIVE |
      CLIENT.TRANSACTIONS |
      CLIENT.SECURE_CONNECTION |
      CLIENT.MULTI_STATEMENTS |
      CLIENT.MULTI_RESULTS |
      CLIENT.PS_MULTI_RESULTS |
      CLIENT.PLUGIN_AUTH |
      CLIENT.CONNECT_ATTRS |
      CLIENT.PLUGIN_AUTH_LENENC_CLIENT_DATA |
      CLIENT.SESSION_TRACK |
      CLIENT.DEPRECATE_EOF |
      (encrypting ? CLIENT.SSL : 0)) >>>
    0,
  extended: MARIADB.STMT_BULK_OPERATIONS | MARIADB.EXTENDED_METADATA,
});

type Arrival = { readonly socket: Socket; readonly id: number; readonly serverTls: SecureContext | null };

/** Null: it was refused, or went away; everything is closed then. */
export const letIn = async (gate: Gate, arrival: Arrival): Promise<LoggedIn | null> => {
  const { worker } = gate;
  const client = new ClientSocket(arrival.socket, gate.limits.handshakeMs);
  worker.metrics.connectionsAccepted.add();
  if (!(await worker.admit(everybody, gate.limits.connections))) {
    worker.metrics.connectionsRefused('too-many');
    turnAway(client, 0, SERVER_ERROR.tooManyConnections, 'Too many connections');
    return null;
  }
  worker.metrics.connections.add(1);
  arrival.socket.once('close', () => {
    worker.metrics.connections.add(-1);
    worker.leave(everybody);
  });
  try {
    return await greet(gate, arrival, client);
  } catch (error) {
    if (!(error instanceof ClientGone)) throw error;
    gone(gate, arrival, client, error);
    return null;
  }
};

const gone = ({ worker }: Gate, { socket, id }: Arrival, client: ClientSocket, error: ClientGone): void => {
  const peer = socket.remoteAddress ?? '';
  if (error.how === 'deadline') {
    worker.metrics.ended('handshake-deadline');
    worker.event({ event: 'session-ended', session: id, user: '', client: peer, reason: 'handshake-deadline', by: '' });
  } else if (error.how === 'broken') {
    worker.metrics.protocolErrors('client');
    worker.event({ event: 'protocol-broken', side: 'client', peer, session: id, reason: error.message });
  }
  client.end();
  client.socket.destroy();
};

const turnAway = (client: ClientSocket, sequence: number, error: ServerError, message: string): void => {
  client.write(errPacket({ ...error, message }, sequence));
  client.end();
};

const greet = async (
  gate: Gate,
  { socket, id, serverTls }: Arrival,
  client: ClientSocket,
): Promise<LoggedIn | null> => {
  const direct = { address: plainAddress(socket.remoteAddress ?? ''), port: socket.remotePort ?? 0 };
  const told = gate.proxied(direct.address) ? await client.proxyHeader() : undefined;
  const { address, port } = told ?? direct;
  if (gate.worker.failures.blocked(address)) {
    gate.worker.metrics.connectionsRefused('blocked');
    turnAway(
      client,
      0,
      hostBlocked,
      `Host '${address}' is blocked because of many failed log-ins; try again in a minute`,
    );
    return null;
  }
  const challenge = makeScramble(randomBytes(20));
  const capabilities = offered(serverTls !== null);
  client.write(
    frame(
      encodeGreeting({
        serverVersion: gate.serverVersion(),
        connectionId: id,
        scramble: challenge,
        capabilities,
        collation: COLLATION.utf8mb4,
        status: STATUS.AUTOCOMMIT,
        plugin: nativePlugin,
      }),
      0,
    ),
  );
  const { login, sequence } = await hello(client, serverTls);
  const agreed = withoutUnsupported(
    intersect(login.capabilities, { base: (capabilities.base | CLIENT.MYSQL) >>> 0, extended: capabilities.extended }),
  );
  const proof = { user: login.user, answer: login.answer, plugin: login.plugin, scramble: challenge, sequence };
  const proved = await prove(gate, client, { address, encrypted: client.encrypted, ...proof });
  if (proved === null) return null;
  return {
    socket: client.socket,
    rest: kept(client.release()),
    address,
    port,
    user: login.user,
    privileged: proved.door.privileged,
    credential: proved.credential,
    capabilities: agreed,
    collation: login.collation,
    attributes: login.attributes,
    database: login.database,
    encrypted: client.encrypted,
    scramble: kept(challenge),
    sequence: proved.sequence,
  };
};

/** A copy of its own: small buffers are slices of 64 KiB, all of which one that is kept for long would keep. */
const kept = (bytes: Buffer): Buffer => {
  const own = Buffer.alloc(bytes.length);
  bytes.copy(own);
  return own;
};

const keptCredential = (credential: Credential): Credential =>
  credential.kind === 'native' ? { ...credential, stage1: kept(credential.stage1) } : credential;

const hostBlocked: ServerError = { number: 1129, sqlState: 'HY000' };

/** IPv4 written as IPv6 is the same address to everybody but the socket. */
export const plainAddress = (address: string): string => (address.startsWith('::ffff:') ? address.slice(7) : address);

const hello = async (
  client: ClientSocket,
  serverTls: SecureContext | null,
): Promise<{ login: Login; sequence: number }> => {
  let packet = await client.next();
  let parsed = parseClientHello(packet.payload);
  if (!isProblem(parsed) && parsed.kind === 'ssl-request') {
    if (serverTls === null) throw new ClientGone('broken', 'it asks for TLS, which was not offered');
    await client.encrypt(serverTls);
    packet = await client.next();
    parsed = parseClientHello(packet.payload);
  }
  if (isProblem(parsed)) {
    turnAway(client, packet.sequence + 1, SERVER_ERROR.badHandshake, 'Bad handshake');
    throw new ClientGone('broken', parsed.reason);
  }
  if (parsed.kind === 'ssl-request') throw new ClientGone('broken', 'it asks for TLS twice');
  return { login: parsed, sequence: packet.sequence };
};

export type Proof = Who & {
  readonly answer: Buffer;
  /** The method that the answer was made with; empty: the one that was offered. */
  readonly plugin: string;
  readonly scramble: Buffer;
  /** Of the packet with the answer. */
  readonly sequence: number;
};

/** The part of a client's connection that is needed to ask it for another proof. */
export type Asking = {
  readonly next: () => Promise<{ readonly payload: Buffer; readonly sequence: number }>;
  readonly write: (bytes: Buffer) => void;
  readonly end: () => void;
};

type Proved = { readonly door: Door; readonly credential: Credential; readonly sequence: number };

/** Checks who it is. Null: refused, and told so. */
export const prove = async (gate: Gate, client: Asking, proof: Proof): Promise<Proved | null> => {
  const { worker } = gate;
  let door = gate.lookUp(proof);
  const { answer, sequence, scramble } = await answerFor(client, door, proof);
  let opening =
    door.refusal === null ? door.check(answer, scramble) : ({ kind: 'refused', error: door.refusal } as const);
  if (opening.kind !== 'open') {
    // Accounts are copied now and then: a password that was just changed, or an account that was just made, is looked up.
    await gate.refresh();
    door = gate.lookUp(proof);
    opening = door.refusal === null ? door.check(answer, scramble) : { kind: 'refused', error: door.refusal };
  }
  const next = (sequence + 1) & 0xff;
  if (opening.kind !== 'open') {
    worker.failures.note(proof.address);
    const error = opening.kind === 'refused' ? opening.error : accessDenied(proof, answer.length > 0);
    refuse(gate, client, proof, next, error, opening.kind);
    return null;
  }
  if (!(await worker.admit(proof.user, door.connections))) {
    const error = {
      ...SERVER_ERROR.tooManyUserConnections,
      message: `User ${proof.user} already has more than 'max_user_connections' active connections`,
    };
    refuse(gate, client, proof, next, error, 'too-many');
    return null;
  }
  worker.metrics.logins('ok');
  return { door, credential: keptCredential(opening.credential), sequence: next };
};

const refuse = (
  gate: Gate,
  client: Asking,
  { user, address }: Proof,
  sequence: number,
  error: Refusal,
  result: string,
): void => {
  const { worker } = gate;
  worker.metrics.logins(result);
  worker.event({ event: 'login-refused', user, client: address, reason: result, errorCode: error.number });
  client.write(errPacket(error, sequence));
  client.end();
};

const accessDenied = ({ user, address }: Who, withPassword: boolean) => ({
  ...SERVER_ERROR.accessDenied,
  message: `Access denied for user '${user}'@'${address}' (using password: ${withPassword ? 'YES' : 'NO'})`,
});

/** The answer to what the account's method asks; another question when the client answered another method. */
const answerFor = async (client: Asking, door: Door, proof: Proof) => {
  const offeredMethod = proof.plugin === '' ? nativePlugin : proof.plugin;
  if (door.refusal !== null || offeredMethod === door.plugin)
    return { answer: proof.answer, sequence: proof.sequence, scramble: proof.scramble };
  const scramble = Buffer.concat([makeScramble(randomBytes(20)), makeScramble(randomBytes(20))]).subarray(
    0,
    door.challengeBytes,
  );
  client.write(frame(encodeAuthSwitch({ plugin: door.plugin, data: scramble }), (proof.sequence + 1) & 0xff));
  const packet = await client.next();
  return { answer: packet.payload, sequence: packet.sequence, scramble };
};
