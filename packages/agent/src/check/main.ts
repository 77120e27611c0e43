/**
 * The check of a configuration, in a process of its own that ends with its answer: what reads and judges the estate needs memory that an
 * agent has no use for afterwards. Settings go to the agent as a message; without an agent that listens, what was found is printed.
 */
import { systemClock } from '@coequal/kernel';
import { checkConfiguration } from './adapters/configuration.ts';

process.exitCode = await checkConfiguration(process.argv.slice(2), systemClock, process.send?.bind(process));
if (process.connected) process.disconnect();
