/** `agents[].acts` and `platforms[].line` from the shape of the file to the model, and back. */
import type { z } from 'zod';
import type { Acts, Line } from './model-acts.ts';
import type { ClientCertificates } from './model-agents.ts';
import type { acts, line } from './schema-acts.ts';

export const toActs = (file: z.output<typeof acts>): Acts => {
  const { allow, heal, account, scripts } = file;
  return {
    platforms: file.platforms,
    ...(allow === undefined ? {} : { allow }),
    ...(heal === undefined ? {} : { heal: { restarts: heal.restarts, withinMs: heal.within } }),
    ...(account === undefined ? {} : { account }),
    user: file.user,
    runFolder: file.runFolder,
    ...(scripts === undefined ? {} : { scripts }),
    ...files(file),
  };
};

export const toLine = (file: z.output<typeof line>): Line => ({
  ...(file.address === undefined ? {} : { address: file.address }),
  port: file.port,
  name: file.name,
  ...files(file),
});

const files = ({
  authority,
  certificate,
  key,
}: Pick<z.output<typeof line>, 'authority' | 'certificate' | 'key'>): ClientCertificates => ({
  ...(authority === undefined ? {} : { authority }),
  ...(certificate === undefined ? {} : { certificate }),
  ...(key === undefined ? {} : { key }),
});

/** As the file says it. */
export const formatActs = ({ heal, platforms, ...acts }: Acts): object => ({
  ...acts,
  ...(platforms.length === 0 ? {} : { platforms }),
  ...(heal === undefined ? {} : { heal: { restarts: heal.restarts, within: `${heal.withinMs}ms` } }),
});
