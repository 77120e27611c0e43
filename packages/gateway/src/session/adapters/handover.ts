/**
 * A session as plain values, for the worker that goes on with it. It takes no connection to an instance along: the next
 * worker finds one with the first request, as after a loss.
 */
import type { Socket } from 'node:net';
import { classify } from '../../sql/classify.ts';
import type { Identity } from '../model.ts';
import type { Prepared } from '../prepared.ts';
import type { SessionSettings } from '../settings-of-session.ts';
import type { LoggedIn } from './gate.ts';
import type { Session } from './session.ts';

/** Raised when the shape changes: a worker of another version does not guess. */
const version = 3;

type Exported = {
  readonly version: number;
  readonly id: number;
  readonly login: Omit<LoggedIn, 'socket' | 'rest'>;
  readonly identity: Identity;
  readonly settings: SessionSettings;
  readonly status: number;
  readonly nextStatementId: number;
  readonly multiStatements: boolean;
  readonly gtid: string;
  readonly rowStays: boolean;
  readonly rowCount: bigint;
  readonly prepared: readonly Pick<
    Prepared,
    'id' | 'sql' | 'raw' | 'parameters' | 'columns' | 'types' | 'longData' | 'cursor'
  >[];
  readonly lastPrepared: number | null;
  readonly rest: Buffer;
};

export const exportSession = ({ id, login, relay }: Session): Exported => {
  const { socket: _, rest: __, ...kept } = login;
  return {
    version,
    id,
    login: kept,
    identity: relay.identity,
    settings: relay.settings,
    status: relay.status,
    nextStatementId: relay.nextStatementId,
    multiStatements: relay.multiStatements,
    gtid: relay.gtid,
    rowStays: relay.rowStays || !relay.settled,
    rowCount: relay.last.rowCount,
    prepared: [...relay.prepared.values()].map(
      ({ id: number, sql, raw, parameters, columns, types, longData, cursor }) => ({
        id: number,
        sql,
        raw,
        parameters,
        columns,
        types,
        longData,
        cursor,
      }),
    ),
    lastPrepared: relay.lastPrepared?.id ?? null,
    rest: relay.reader.rest(),
  };
};

type Make = (
  id: number,
  login: LoggedIn,
  start: { readonly identity: Identity; readonly settings: SessionSettings; readonly status: number },
) => Session;

/** Undefined: it is none of ours, or of another version. */
export const importSession = (
  socket: Socket,
  state: unknown,
  make: Make,
): { readonly session: Session; readonly rest: Buffer } | undefined => {
  if (!isExported(state)) return undefined;
  const { login } = state;
  const session = make(
    state.id,
    {
      ...login,
      credential: buffersOf(login.credential),
      scramble: Buffer.from(login.scramble),
      socket,
      rest: Buffer.alloc(0),
    },
    {
      identity: { ...state.identity, session: Buffer.from(state.identity.session) },
      settings: {
        ...state.settings,
        userVariables: state.settings.userVariables.map((one) => ({
          ...one,
          value: one.value === null ? null : Buffer.from(one.value),
        })),
      },
      status: state.status,
    },
  );
  const { relay } = session;
  relay.nextStatementId = state.nextStatementId;
  relay.multiStatements = state.multiStatements;
  relay.gtid = state.gtid;
  relay.rowStays = state.rowStays;
  relay.last.rowCount = state.rowCount;
  relay.last.disturbed = true;
  for (const one of state.prepared) {
    const sql = Buffer.from(one.sql);
    const prepared: Prepared = {
      ...one,
      sql,
      raw: Buffer.from(one.raw),
      types: one.types === null ? null : Buffer.from(one.types),
      longData: one.longData.map((each) => Buffer.from(each)),
      statement: classify(sql),
      instanceTypes: null,
      instanceId: null,
      cursor: one.cursor === 'none' ? 'none' : 'lost',
      closed: false,
    };
    relay.prepared.set(prepared.id, prepared);
    if (prepared.id === state.lastPrepared) relay.lastPrepared = prepared;
  }
  return { session, rest: Buffer.from(state.rest) };
};

const buffersOf = (credential: LoggedIn['credential']): LoggedIn['credential'] =>
  credential.kind === 'native' ? { kind: 'native', stage1: Buffer.from(credential.stage1) } : credential;

/** The supervisor hands over what its own workers made: the version tells whether it can be read. */
const isExported = (state: unknown): state is Exported =>
  typeof state === 'object' && state !== null && 'version' in state && state.version === version && 'login' in state;
