/** Platforms and stores of a file whose shape is right, as the model has them: defaults that depend on other keys are filled in. */
import type { GroupRole, LdapDirectory, MetricStore, OidcProvider, Platform } from './model-platform.ts';
import type { EstateFile } from './schema.ts';
import { toLine } from './to-acts.ts';

const withoutEndingSlash = (path: string): string => path.replaceAll(/\/+/g, '/').replace(/(?<=.)\/$/, '');

export const toPlatform = (file: EstateFile['platforms'][number]): Platform => {
  const {
    store,
    coarseStore,
    knowledge,
    weights,
    agentTokenFile,
    liveMemory,
    stateFolder,
    webhooks,
    line,
    url,
    keyRing,
    ldap,
    oidc,
    ...rest
  } = file;
  return {
    ...rest,
    stateFolder: withoutEndingSlash(stateFolder ?? `/var/lib/coequal/platforms/${file.name}`),
    webhooks: webhooks.map(({ url, tokenFile, resolved }) => ({
      url,
      resolved,
      ...(tokenFile === undefined ? {} : { tokenFile }),
    })),
    liveMemoryBytes: liveMemory,
    ...(store === undefined ? {} : { store }),
    ...(coarseStore === undefined ? {} : { coarseStore }),
    ...(knowledge === undefined ? {} : { knowledge }),
    ...(weights === undefined ? {} : { weights }),
    ...(agentTokenFile === undefined ? {} : { agentTokenFile }),
    ...(line === undefined ? {} : { line: toLine(line) }),
    ...(url === undefined ? {} : { url }),
    ...(keyRing === undefined ? {} : { keyRing }),
    ...(ldap === undefined ? {} : { ldap: toLdap(ldap) }),
    ...(oidc === undefined ? {} : { oidc: toOidc(oidc) }),
  };
};

const toGroupRole = ({
  group,
  role,
  services,
  sites,
}: NonNullable<EstateFile['platforms'][number]['ldap']>['roles'][number]): GroupRole => ({
  ...{ group, role, services: services ?? '*', sites: sites ?? '*' },
});

const toLdap = ({
  authority,
  pollEvery,
  roles,
  ...rest
}: NonNullable<EstateFile['platforms'][number]['ldap']>): LdapDirectory => ({
  ...rest,
  ...(authority === undefined ? {} : { authority }),
  roles: roles.map(toGroupRole),
  pollMs: pollEvery,
});

const toOidc = ({ pollEvery, roles, ...rest }: NonNullable<EstateFile['platforms'][number]['oidc']>): OidcProvider => ({
  ...rest,
  roles: roles.map(toGroupRole),
  pollMs: pollEvery,
});

const hour = 3_600_000;

export const toStore = (file: EstateFile['stores'][number]): MetricStore => {
  const { name, host, port, folder, url, tokenFile, user, passwordFile } = file;
  const shared = {
    name,
    class: file.class,
    ...(file.tls === undefined ? {} : { tls: toTls(file.tls) }),
  };
  if (url !== undefined && (host !== undefined || folder !== undefined)) return { ...shared, kind: 'both' };
  if (url !== undefined)
    return {
      ...shared,
      kind: 'foreign',
      url,
      ...(tokenFile === undefined ? {} : { tokenFile }),
      ...(user === undefined ? {} : { user }),
      ...(passwordFile === undefined ? {} : { passwordFile }),
    };
  if (host === undefined || port === undefined || folder === undefined) {
    const missing = [host ?? '`host`', port ?? '`port`', folder ?? '`folder`'].filter((one) =>
      String(one).startsWith('`'),
    );
    return { ...shared, kind: 'neither', missing: missing.join(' and ') };
  }
  return {
    ...shared,
    kind: 'own',
    host,
    port,
    localPort: file.localPort ?? (port + 10_000 <= 65_535 ? port + 10_000 : port - 10_000),
    folder: withoutEndingSlash(folder),
    retentionMs: file.retention ?? (file.class === 'fine' ? 720 : 9_480) * hour,
    ...(file.memory === undefined ? {} : { memoryBytes: file.memory }),
    ...(file.freeDisk === undefined ? {} : { freeDiskBytes: file.freeDisk }),
  };
};

const toTls = ({ authority, certificate, key }: NonNullable<EstateFile['stores'][number]['tls']>) => ({
  authority,
  ...(certificate === undefined ? {} : { certificate }),
  ...(key === undefined ? {} : { key }),
});
