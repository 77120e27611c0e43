/** The shape of `coequal lab status --json`, which is also that of `lab up --json`. */
import type { LabSnapshot } from '@coequal/lab';

/** The shape that docs and scripts rely on; fields are added, not renamed. */
export const statusObject = (snapshot: LabSnapshot) => ({
  name: snapshot.name,
  mode: snapshot.mode,
  preset: snapshot.preset,
  limits: snapshot.limits,
  upMs: snapshot.upMs,
  sites: snapshot.sites.map(({ name, state, rttMs, rttTo, faults, instances, gateways, clients, direct }) => ({
    name,
    state,
    rttMs,
    rttTo,
    faults,
    instances: instances.map(({ name, engine, state, reason, host, port, members, memoryBytes }) => ({
      name,
      engine,
      state,
      reason,
      host,
      port,
      members,
      memoryBytes,
    })),
    gateways,
    clients,
    direct,
  })),
  user: snapshot.user,
  password: snapshot.password,
  database: snapshot.database,
  authorityPath: snapshot.authorityPath,
  bank: snapshot.bank,
  ...(snapshot.platform === null ? {} : { platform: snapshot.platform }),
});
