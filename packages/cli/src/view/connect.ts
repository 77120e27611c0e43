/** How a person reaches the lab's databases, as commands to copy. */
import type { InstanceSnapshot, LabSnapshot } from '@coequal/lab';

/** `mariadb -h 127.0.0.1 -P 33061 -u bank -p bank`: asks for the password, so that it is in no process list. */
export const connectCommand = ({ user, database }: LabSnapshot, { host, port }: InstanceSnapshot): string =>
  `mariadb -h ${host} -P ${port} -u ${user} -p ${database}`;

/** The whole answer to "how do I connect", printed once the lab serves. */
export const connectText = (snapshot: LabSnapshot): readonly string[] => {
  const width = Math.max(...snapshot.sites.map(({ name }) => name.length));
  return [
    `Connect to any site; all of them read and write the same database "${snapshot.database}":`,
    ...snapshot.sites.flatMap((site) =>
      site.instances.map((instance) => `  ${site.name.padEnd(width)}  ${connectCommand(snapshot, instance)}`),
    ),
    `  user ${snapshot.user}, password ${snapshot.password}${
      snapshot.authorityPath === null
        ? ''
        : `; for checked TLS add --ssl-ca=${snapshot.authorityPath} --ssl-verify-server-cert`
    }`,
    ...snapshot.limits.map((limit) => `Limit of ${snapshot.mode} mode: ${limit}`),
  ];
};
