/** Platforms and stores of the estate as values. Part of the model; made by `to-platform.ts` from a file of the right shape. */
import type { Line } from './model-acts.ts';

export type GroupRole = {
  readonly group: string;
  readonly role: 'viewer' | 'operator' | 'approver' | 'security-admin' | 'auditor';
  readonly services: '*' | readonly string[];
  readonly sites: '*' | readonly string[];
};

export type LdapDirectory = {
  readonly url: string;
  readonly authority?: string;
  readonly account: string;
  readonly passwordFile: string;
  readonly peopleBase: string;
  readonly peopleFilter: string;
  readonly nameAttribute: string;
  readonly displayAttribute: string;
  readonly idAttribute: string;
  readonly groupBase: string;
  readonly memberAttribute: string;
  readonly roles: readonly GroupRole[];
  readonly pollMs: number;
};

export type OidcProvider = {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecretFile: string;
  readonly scope: string;
  readonly nameClaim: string;
  readonly displayClaim: string;
  readonly groupsClaim: string;
  readonly roles: readonly GroupRole[];
  readonly pollMs: number;
};

export type Platform = {
  readonly name: string;
  readonly host: string;
  /** Of loopback. */
  readonly address: string;
  readonly port: number;
  readonly stateFolder: string;
  /** Name of the store it asks. */
  readonly store?: string;
  /** Name of the store that recording rules write to. */
  readonly coarseStore?: string;
  /** Prometheus rule files. */
  readonly rules: readonly string[];
  readonly webhooks: readonly { readonly url: string; readonly tokenFile?: string; readonly resolved: boolean }[];
  readonly knowledge?: string;
  readonly weights?: string;
  readonly agentTokenFile?: string;
  readonly line?: Line;
  /** What browsers call it; `http://localhost` and its port unless given. */
  readonly url?: string;
  /** Addresses and networks whose word about where a request comes from counts. */
  readonly trustedProxies: readonly string[];
  readonly keyRing?: string;
  readonly ldap?: LdapDirectory;
  readonly oidc?: OidcProvider;
  readonly liveMinutes: number;
  readonly liveSignals: number;
  readonly liveMemoryBytes: number;
};

type StoreBase = {
  readonly name: string;
  readonly class: 'fine' | 'coarse';
  /** PEM files. On an own store what it shows and whom it believes; towards a foreign one the same of the client. */
  readonly tls?: { readonly authority: string; readonly certificate?: string; readonly key?: string };
};

/** `both` and `neither` are refused by the rules: no valid estate holds one. */
export type MetricStore = StoreBase &
  (
    | {
        readonly kind: 'own';
        readonly host: string;
        readonly port: number;
        /** Of the store program itself, on loopback of its host. */
        readonly localPort: number;
        readonly folder: string;
        readonly retentionMs: number;
        readonly memoryBytes?: number;
        readonly freeDiskBytes?: number;
      }
    | {
        readonly kind: 'foreign';
        readonly url: string;
        readonly tokenFile?: string;
        readonly user?: string;
        readonly passwordFile?: string;
      }
    | { readonly kind: 'both' }
    | { readonly kind: 'neither'; readonly missing: string }
  );
