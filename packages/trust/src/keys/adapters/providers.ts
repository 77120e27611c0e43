/** The provider that a ring names, made real: its paths are beside the ring unless they are absolute. */
import { dirname, resolve } from 'node:path';
import type { Clock } from '@coequal/kernel';
import type { SecretFileOwner } from '../../adapters/secret-file.ts';
import type { KeyProvider } from '../provider.ts';
import type { ProviderSettings } from '../ring.ts';
import { fileProvider } from './file-provider.ts';
import { pkcs11Provider } from './pkcs11-provider.ts';
import { vaultProvider } from './vault-provider.ts';

export type KeyPorts = {
  readonly clock: Clock;
  /** For the program of a security module. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Hands files that are written to another user (root only). */
  readonly owner?: SecretFileOwner;
};

export const providerOf = (ringPath: string, settings: ProviderSettings, ports: KeyPorts): KeyProvider => {
  const beside = (path: string): string => resolve(dirname(ringPath), path);
  switch (settings.kind) {
    case 'file':
      return fileProvider(beside(settings.path), ports.clock, ports.owner);
    case 'vault':
      return vaultProvider(
        {
          ...settings,
          tokenFile: beside(settings.tokenFile),
          ...(settings.authority === undefined ? {} : { authority: beside(settings.authority) }),
        },
        ports.clock,
      );
    case 'pkcs11':
      return pkcs11Provider({ ...settings, pinFile: beside(settings.pinFile) }, ports.environment ?? {});
  }
};
