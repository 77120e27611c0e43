/** What a program of ours inside a site is told to do: one line of JSON from the lab's daemon. */
import type { Endpoint, LoadFaultKind } from '@coequal/proof';

export type SiteAssignment = {
  readonly site: string;
  readonly seed: number;
  /** The site's gateways; empty where there are none. */
  readonly gateways: readonly Endpoint[];
  /** All instances, the site's own first. */
  readonly instances: readonly Endpoint[];
};

export type BranchAssignment = SiteAssignment & {
  readonly kind: 'branch';
  readonly sessions: number;
  readonly ratePerSecond: number;
};

export type LoadFaultAssignment = SiteAssignment & {
  readonly kind: LoadFaultKind;
  readonly amount: number;
  /** The account of whoever operates databases: may change settings and lock tables. */
  readonly operator: { readonly user: string; readonly password: string };
};

export type Assignment = BranchAssignment | LoadFaultAssignment;
