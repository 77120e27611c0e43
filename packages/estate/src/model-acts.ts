/** What an agent may do, and the line by which platforms tell it, as values. Part of the estate (`model.ts`). */
import type { ClientCertificates } from './model-agents.ts';

export type LineAddress = { readonly address: string; readonly port: number };

/** PEM files of the bank's own authority: all three, or none. */
export type Acts = ClientCertificates & {
  readonly platforms: readonly LineAddress[];
  readonly allow?: readonly string[];
  readonly heal?: { readonly restarts: number; readonly withinMs: number };
  readonly account?: { readonly user: string; readonly passwordFile: string };
  readonly user: string;
  readonly runFolder: string;
  readonly scripts?: { readonly manifest: string; readonly key: string };
};

export type Line = ClientCertificates & {
  /** The address of the host unless given. */
  readonly address?: string;
  readonly port: number;
  readonly name: string;
};
