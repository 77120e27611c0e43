/** How a person reaches the lab's databases, as commands to copy. */
import type { LabSnapshot, SiteSnapshot } from '@coequal/lab';

/** `mariadb -h 127.0.0.1 -P 33061 -u bank -p bank`: asks for the password, so that it is in no process list. */
export const connectCommand = (
  { user, database }: LabSnapshot,
  { host, port }: { readonly host: string; readonly port: number },
): string => `mariadb -h ${host} -P ${port} -u ${user} -p ${database}`;

/** Where applications connect at a site: its gateways, or its instances where it has none. */
export const doorsOf = ({ gateways, instances }: SiteSnapshot): SiteSnapshot['gateways'] | SiteSnapshot['instances'] =>
  gateways.length > 0 ? gateways : instances;

/** The other ways in: further gateways, and the instances behind them. */
const otherWays = ({ gateways, instances }: SiteSnapshot): string => {
  if (gateways.length === 0) return '';
  const others = gateways.slice(1).map(({ host, port }) => `${host}:${port}`);
  const behind = instances.map(({ host, port }) => `${host}:${port}`);
  return `  (${others.length === 0 ? '' : `its other gateway ${others.join(', ')}; `}directly ${behind.join(', ')})`;
};

/** Commands mean the lab of the usual name unless told. */
const ofLab = ({ name }: LabSnapshot): string => (name === 'lab' ? '' : ` --lab ${name}`);

/** The whole answer to "how do I connect", printed once the lab serves. */
export const connectText = (snapshot: LabSnapshot): readonly string[] => {
  const width = Math.max(...snapshot.sites.map(({ name }) => name.length));
  return [
    `Connect to any site; all of them read and write the same database "${snapshot.database}":`,
    ...snapshot.sites.flatMap((site) => {
      const doors = doorsOf(site).slice(0, site.gateways.length > 0 ? 1 : undefined);
      return doors.map((door) => `  ${site.name.padEnd(width)}  ${connectCommand(snapshot, door)}${otherWays(site)}`);
    }),
    `  user ${snapshot.user}, password ${snapshot.password}${
      snapshot.authorityPath === null
        ? ''
        : `; for checked TLS add --ssl-ca=${snapshot.authorityPath} --ssl-verify-server-cert`
    }`,
    ...(snapshot.platform === null
      ? []
      : [
          `What watches it, at ${snapshot.platform.url}: coequal top${ofLab(snapshot)}, coequal incident list${ofLab(snapshot)}`,
        ]),
    ...snapshot.limits.map((limit) => `Limit of ${snapshot.mode} mode: ${limit}`),
  ];
};
