/** What the drill asks of the platform: its incidents, over its API, each question with a deadline. */

import type { Incident } from '@coequal/contract';
import { incident, incidentPage } from '@coequal/contract';

export type PlatformPort = {
  /** Those that are not resolved, and those opened since a time. */
  readonly incidentsSince: (fromMs: number) => Promise<readonly Incident[]>;
};

const answerMs = 10_000;

export const platformAt = (url: string, token: string, signal: AbortSignal): PlatformPort => {
  const headers = { authorization: `Bearer ${token}` };
  const ask = async (path: string): Promise<unknown> => {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(answerMs)]);
    const answer = await fetch(`${url}${path}`, { headers, signal: deadline });
    if (!answer.ok) throw new Error(`the platform answers ${answer.status} to ${path}`);
    return answer.json();
  };
  const one = async (id: string): Promise<Incident> => incident.parse(await ask(`/api/v1/incidents/${id}`));
  return {
    incidentsSince: async (fromMs) => {
      const page = incidentPage.parse(await ask('/api/v1/incidents?limit=50'));
      const wanted = page.items.filter(({ state, detectedMs }) => state !== 'resolved' || detectedMs >= fromMs);
      return Promise.all(wanted.map(({ id }) => one(id)));
    },
  };
};
