/** The check of an echoing gateway: its configuration is a file with the settings themselves. */
import { readFileSync } from 'node:fs';
import { fail } from '@coequal/kernel';
import { parseGatewayArguments } from '../arguments.ts';
import { toldError } from '../told-error.ts';

const { config } = parseGatewayArguments(process.argv.slice(2));
try {
  const settings = JSON.parse(readFileSync(config, 'utf8'));
  if (settings.service === 'unreachable')
    throw fail('GATEWAY_NO_INSTANCE', { service: 'bank', seconds: 1, states: 'all gone', advice: 'Start one.' });
  process.send?.({ settings, warnings: [], reached: ['bank-north'] }, () => process.disconnect());
} catch (error) {
  process.send?.({ error: toldError(error) }, () => process.disconnect());
}
