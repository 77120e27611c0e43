/** A worker of the gateway: composition root. It gets its settings from the supervisor and reads the secrets itself. */
import { readFile } from 'node:fs/promises';
import { systemClock } from '@coequal/kernel';
import { readSealedStore } from '@coequal/trust';
import { openInstances, readInstanceAccess } from '../instances/adapters/open.ts';
import { runWorker } from '../operate/adapters/worker.ts';
import { openSessionSide, type SessionSecrets } from '../session/index.ts';
import type { GatewaySettings } from '../settings.ts';

const secretsOf = async (settings: GatewaySettings, ownPassword: string): Promise<SessionSecrets> => {
  const { tls, credentials } = settings;
  const sealed =
    credentials === undefined
      ? undefined
      : (await readSealedStore(credentials, { clock: systemClock, environment: process.env })).secrets;
  return {
    ownPassword,
    passwordOf: (name) => sealed?.get(name),
    ...(tls === undefined ? {} : { authority: await readFile(tls.authority, 'utf8') }),
    ...(tls?.certificate === undefined ? {} : { certificate: await readFile(tls.certificate, 'utf8') }),
    ...(tls?.key === undefined ? {} : { key: await readFile(tls.key, 'utf8') }),
  };
};

runWorker(process, systemClock, async ({ settings, drained }, worker) => {
  const access = await readInstanceAccess(settings);
  const instances = await openInstances(settings, access, systemClock, worker.log);
  const { directory } = instances;
  for (const name of drained) directory.drain(name, true);
  directory.onState((instance, from, to, reason) =>
    worker.event({ event: 'instance-state', instance, from, to, reason }),
  );
  const secrets = await secretsOf(settings, access.password);
  const service = await openSessionSide({ settings, worker, instances, secrets });
  return {
    service,
    instances: directory.views,
    drainInstance: (name, on) => {
      directory.drain(name, on);
      worker.event({ event: 'instance-drain', instance: name, on });
    },
    close: async () => {
      await service.close();
      instances.close();
    },
  };
});
