/**
 * The check of a configuration: composition root of a process that ends with its answer. What reads and judges the estate needs memory that
 * an agent has no use for afterwards. For a start it leaves the settings in a file.
 */
import { systemClock } from '@coequal/kernel';
import { checkConfiguration } from './adapters/configuration.ts';

process.exitCode = await checkConfiguration(process.argv.slice(2), systemClock, process.send?.bind(process));
if (process.connected) process.disconnect();
