/** A worker process with echoing sessions. `testing.fail` in the name of the service makes it refuse to start. */
import { systemClock } from '@coequal/kernel';
import { runWorker } from '../adapters/worker.ts';
import { openEcho } from './echo-service.ts';

runWorker(process, systemClock, async ({ settings }, ports) => {
  if (settings.service === 'broken') throw new Error('the service is broken');
  const drained = new Set<string>();
  return {
    service: openEcho(ports, settings.limits),
    instances: () =>
      settings.instances.map((target) => ({
        target,
        state: 'serving' as const,
        reason: 'It answers.',
        sinceMs: 0,
        drained: drained.has(target.name),
        weight: 1,
      })),
    drainInstance: (name, on) => void (on ? drained.add(name) : drained.delete(name)),
    close: async () => undefined,
  };
});
