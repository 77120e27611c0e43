/** What a relay goes by, from the gateway's settings and the account. Pure. */
import type { ConsistencyProfile } from '@coequal/estate';
import type { GatewaySettings } from '../settings.ts';
import type { RelayRules } from './model.ts';

export const profileOf = (settings: Pick<GatewaySettings, 'profile' | 'users'>, user: string): ConsistencyProfile =>
  settings.users.find((rule) => rule.user === user)?.profile ?? settings.profile;

export const relayRules = (
  settings: GatewaySettings,
  user: string,
  facts: { readonly rollbackOnTimeout: boolean; readonly sqlMode?: string },
): RelayRules => {
  const profile = profileOf(settings, user);
  return {
    observe: settings.observe,
    opening: settings.observe ? [] : [openingStatement(settings, profile)],
    readsOwnWrites: profile === 'session',
    transactionBytes: settings.limits.transactionBytes,
    recoveryMs: settings.limits.recoveryMs,
    rollbackOnTimeout: facts.rollbackOnTimeout,
    sqlMode: facts.sqlMode ?? '',
    guards: settings.guards.map(({ name, tables }) => ({ name, tables: tables ?? [] })),
    schemaChangeBytes: settings.schemaChangeBytes ?? null,
    largeWrite:
      settings.largeWrites === undefined
        ? null
        : { rule: settings.largeWrites.rule, bytes: settings.largeWrites.aboveBytes },
  };
};

/**
 * What the server is to report, so that the session can be rebuilt elsewhere; how long it waits for others; how it sends large
 * transactions; and how long a statement may take, which the server itself sees to.
 */
const openingStatement = (settings: GatewaySettings, profile: ConsistencyProfile): string => {
  const assignments = [
    "session_track_system_variables='*'",
    'session_track_schema=ON',
    "session_track_transaction_info='STATE'",
    ...(profile === 'real-time' ? [] : ['wsrep_sync_wait=0']),
    ...(settings.largeWrites?.rule === 'fragment'
      ? ["wsrep_trx_fragment_unit='bytes'", `wsrep_trx_fragment_size=${settings.largeWrites.aboveBytes}`]
      : []),
    ...(settings.limits.statementMs > 0 ? [`max_statement_time=${settings.limits.statementMs / 1_000}`] : []),
  ];
  return `SET SESSION ${assignments.join(', ')}`;
};
