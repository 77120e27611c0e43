/** The stores of a host: composition root of their process. `node main.ts --config FILE [--name NAME] [--check]` */
import { systemClock } from '@coequal/kernel';
import { superviseStores } from './adapters/supervise.ts';

process.exitCode = await superviseStores({
  argv: process.argv.slice(2),
  environment: process.env,
  clock: systemClock,
});
process.exit();
