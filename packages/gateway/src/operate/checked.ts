/** What a check of a configuration answers, on its way to the supervisor. */
import { fail } from '@coequal/kernel';
import type { GatewaySettings } from '../settings.ts';
import type { ToldError } from './messages.ts';
import { revivedError } from './told-error.ts';

export type Checked = {
  readonly settings: GatewaySettings;
  /** What an operator should know and nothing has to wait for. */
  readonly warnings: readonly string[];
  /** Names of the instances that answered. */
  readonly reached: readonly string[];
};

export type CheckMessage = Checked | { readonly error: ToldError };

/** Believes the shape: it comes from a process of ours, of the version on disk. */
export const parseChecked = (value: unknown, name: string): Checked | Error => {
  if (typeof value === 'object' && value !== null) {
    if ('settings' in value) return value as Checked;
    if ('error' in value)
      return revivedError(value.error, (reason) =>
        fail('GATEWAY_NOT_STARTED', { name, reason, advice: 'Check the version of the program on disk.' }),
      );
  }
  return fail('GATEWAY_NOT_STARTED', {
    name,
    reason: 'the check of its configuration answered with something else.',
    advice: 'Stop the gateway and start it again: the program on disk is of another version.',
  });
};
