/** Copies of the platform's own database, made while it runs. */
import { platformBackup } from '@coequal/contract';
import type { Backup } from '../../store/adapters/backup.ts';
import { jsonRoute, noBody, nothing, type Route } from '../route.ts';

export const makeStoreRoutes = (takeBackup: () => Promise<Backup>): readonly Route[] => [
  jsonRoute({
    access: { action: 'platform.backup', at: 'all' },
    classification: 'sensitive',
    limits: { bodyBytes: 0, rate: 'rare' },
    method: 'POST',
    path: '/api/v1/backups',
    summary: 'Copy the platform’s database, while it goes on, into its state folder.',
    params: nothing,
    query: nothing,
    body: noBody,
    output: platformBackup,
    status: 201,
    handle: () => takeBackup(),
  }),
];
