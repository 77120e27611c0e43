/**
 * People of real directories: OpenLDAP's server and a provider of OpenID Connect. Groups become roles, changes of groups follow, and who has
 * left loses everything. States are waited for, not times.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { cacheFolderOf, findCompanion } from '@coequal/engines';
import { silentLog, systemClock } from '@coequal/kernel';
import type { AuditEntry } from '@coequal/trust';
import { Attribute, Change, Client } from 'ldapts';
import Provider from 'oidc-provider';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Database, openDatabase } from '../../store/adapters/database.ts';
import type { GroupRole, PasswordDirectory, WebDirectory } from '../directory.ts';
import { type Identity, makeIdentity } from '../identity.ts';
import type { IdentityPorts } from '../ports.ts';
import { Browser, SoftAuthenticator } from '../testing.ts';
import { freePort } from '../testing-server.ts';
import { namesOf } from '../whence.ts';
import { type LdapSettings, openLdap } from './ldap.ts';
import { openOidc } from './oidc.ts';
import { makeIdentityStore } from './store.ts';
import { openVault } from './vault.ts';

const folder = mkdtempSync(join(tmpdir(), 'coequal-directory-'));
const never = new AbortController().signal;
const code = (wanted: string) => expect.objectContaining({ code: wanted });
const roles: readonly GroupRole[] = [
  { group: 'ops', role: 'operator', services: ['bank'], sites: '*' },
  { group: 'watchers', role: 'viewer', services: '*', sites: '*' },
  { group: 'auditors', role: 'auditor', services: '*', sites: '*' },
];
const closing: (() => unknown)[] = [];

afterAll(async () => {
  for (const close of closing.toReversed()) await close();
  rmSync(folder, { recursive: true });
});

type Opened = {
  readonly identity: Identity;
  readonly ports: IdentityPorts;
  readonly database: Database;
  readonly entries: readonly AuditEntry[];
};

const open = async (
  name: string,
  more: (ports: IdentityPorts) => { readonly ldap?: PasswordDirectory; readonly oidc?: WebDirectory },
): Promise<Opened> => {
  const own = join(folder, name);
  const database = openDatabase(own);
  closing.push(() => database.close());
  const entries: AuditEntry[] = [];
  const ports: IdentityPorts = {
    ...{ store: makeIdentityStore(database), vault: await openVault(own, undefined, systemClock), clock: systemClock },
    note: async (actor, action, target, result) => void entries.push({ actor, action, target, result }),
    ...{ names: namesOf(undefined, 9_620), title: 'try' },
  };
  const identity = makeIdentity(ports, { trustedProxies: [], log: silentLog, ...more(ports) });
  return { identity, ports, database, entries };
};

/** Makes a passkey in a session that came from a directory. */
const addPasskey = async ({ identity }: Opened, browser: Browser, authenticator: SoftAuthenticator): Promise<void> => {
  const live = identity.liveOf(browser.request());
  const question = await identity.signingIn.askToAdd(live);
  const answer = { ceremony: question.ceremony, response: authenticator.create(question) };
  await identity.signingIn.takeAdded(live, answer, 'a passkey');
};

const rolesOf = ({ identity }: Opened, browser: Browser): readonly string[] | string => {
  const found = identity.identify(browser.request());
  return 'grants' in found ? found.grants.map(({ role }) => role).sort() : found.code;
};

/** Nothing is left to come in with. */
const expectNothing = async (opened: Opened, browser: Browser, authenticator: SoftAuthenticator): Promise<void> => {
  expect(rolesOf(opened, browser)).toBe('SIGN_IN_NEEDED');
  const question = await opened.identity.signingIn.askPasskey();
  const answer = { ceremony: question.ceremony, response: authenticator.get(question) };
  await expect(opened.identity.signingIn.takePasskey(answer, browser.asker())).rejects.toEqual(code('SIGN_IN_FAILED'));
};

describe('LDAP', () => {
  let admin: Client;
  let settings: LdapSettings;
  const base = 'dc=bank,dc=example';
  const dn = (name: string): string => `uid=${name},ou=people,${base}`;

  beforeAll(async () => {
    const { files, environment, root } = await findCompanion('slapd', {
      ...{
        cacheFolder: cacheFolderOf(process.env, process.getuid?.() ?? 0),
        environment: process.env,
        clock: systemClock,
      },
      progress: () => undefined,
    });
    const port = await freePort();
    const data = join(folder, 'ldap');
    mkdirSync(data);
    const schema = dirname(files[2] ?? '');
    const lines = [
      ...['core', 'cosine', 'inetorgperson'].map((name) => `include ${schema}/${name}.schema`),
      ...[`modulepath ${root}/usr/lib/ldap`, 'moduleload back_mdb', `pidfile ${data}/slapd.pid`],
      ...['database mdb', `suffix "${base}"`, `rootdn "cn=admin,${base}"`, 'rootpw admin', `directory ${data}`],
    ];
    writeFileSync(join(data, 'slapd.conf'), `${lines.join('\n')}\n`);
    const url = `ldap://127.0.0.1:${port}`;
    const server = spawn(files[0], ['-f', join(data, 'slapd.conf'), '-h', url, '-d', '0'], {
      env: { ...process.env, ...environment },
      stdio: 'ignore',
    });
    closing.push(async () => {
      server.kill('SIGTERM');
      if (server.exitCode === null) await once(server, 'exit');
    });
    admin = new Client({ url });
    closing.push(() => admin.unbind());
    await workUntil(() => admin.bind(`cn=admin,${base}`, 'admin'));
    await admin.add(base, { objectClass: ['dcObject', 'organization'], o: 'Bank', dc: 'bank' });
    for (const unit of ['people', 'groups'])
      await admin.add(`ou=${unit},${base}`, { objectClass: 'organizationalUnit', ou: unit });
    for (const name of ['ann', 'bob', 'eve'])
      await admin.add(dn(name), {
        ...{ objectClass: 'inetOrgPerson', uid: name, cn: `${name} of the bank`, sn: name },
        userPassword: `${name}-password`,
      });
    for (const [name, members] of [
      ['ops', ['ann', 'bob']],
      ['watchers', ['ann', 'bob']],
      ['auditors', ['bob']],
    ] as const)
      await admin.add(`cn=${name},ou=groups,${base}`, {
        ...{ objectClass: 'groupOfNames', cn: name, member: members.map(dn) },
      });
    writeFileSync(join(folder, 'ldap.password'), 'admin\n', { mode: 0o600 });
    settings = {
      ...{ url, account: `cn=admin,${base}`, passwordFile: join(folder, 'ldap.password') },
      ...{ peopleBase: `ou=people,${base}`, peopleFilter: '(objectClass=inetOrgPerson)', nameAttribute: 'uid' },
      ...{
        displayAttribute: 'cn',
        idAttribute: 'entryUUID',
        groupBase: `ou=groups,${base}`,
        memberAttribute: 'member',
      },
      roles,
    };
  });

  const member = (operation: 'add' | 'delete', group: string, name: string): Promise<void> =>
    admin.modify(`cn=${group},ou=groups,${base}`, [
      new Change({ operation, modification: new Attribute({ type: 'member', values: [dn(name)] }) }),
    ]);

  test('groups become roles, follow changes, and who has left loses all of it', async () => {
    const ldap = openLdap(settings);
    const opened = await open('ldap-state', () => ({ ldap }));
    const { identity, entries } = opened;
    const { directories } = identity;
    const browser = new Browser();
    const authenticator = new SoftAuthenticator();
    browser.keep(await directories.signIn(ldap, 'ann', 'ann-password', browser.asker()));
    expect(rolesOf(opened, browser)).toEqual(['operator', 'viewer']);
    expect(identity.identify(browser.request())).toMatchObject({ session: { factor: 'ldap-password' } });
    await addPasskey(opened, browser, authenticator);

    await member('add', 'auditors', 'ann');
    await directories.round(ldap, never);
    // Roles that exclude each other give none.
    expect(rolesOf(opened, browser)).toBe('SIGN_IN_NEEDED');
    await member('delete', 'auditors', 'ann');
    browser.keep(await directories.signIn(ldap, 'ann', 'ann-password', browser.asker()));
    await member('add', 'ops', 'eve');
    await member('delete', 'ops', 'ann');
    expect(await directories.round(ldap, never)).toBe(1);
    expect(rolesOf(opened, browser)).toEqual(['viewer']);
    expect(await directories.round(ldap, never)).toBe(0);

    await admin.del(dn('ann'));
    await directories.round(ldap, never);
    await expectNothing(opened, browser, authenticator);
    expect(entries.filter(({ action }) => action === 'identity.person.leave').map(({ result }) => result)).toEqual([
      ...['asked', 'done'],
    ]);
    await expect(directories.signIn(ldap, 'ann', 'ann-password', browser.asker())).rejects.toEqual(
      code('SIGN_IN_FAILED'),
    );
  });

  test('wrong passwords, no password, filters as names, and roles that exclude each other do not come in', async () => {
    const ldap = openLdap(settings);
    const { identity } = await open('ldap-wrong', () => ({ ldap }));
    for (const [name, password] of [
      ['bob', 'bob-password'],
      ['eve', 'wrong'],
      ['eve', ''],
      ['*', 'eve-password'],
      ['eve)(uid=*', 'eve-password'],
      ['nobody', 'x'],
    ] as const)
      await expect(
        identity.directories.signIn(ldap, name, password, new Browser(`10.1.0.${name.length}`).asker()),
      ).rejects.toEqual(code('SIGN_IN_FAILED'));
    expect(identity.anybody()).toBe(false);
  });

  test('a directory that does not answer changes nothing', async () => {
    const ldap = openLdap(settings);
    const opened = await open('ldap-away', () => ({ ldap }));
    const browser = new Browser();
    browser.keep(await opened.identity.directories.signIn(ldap, 'eve', 'eve-password', browser.asker()));
    const away = openLdap({ ...settings, url: `ldap://127.0.0.1:${await freePort()}` });
    expect(await opened.identity.directories.round(away, never)).toBe(0);
    expect(rolesOf(opened, browser)).toEqual(['operator']);
    await expect(opened.identity.directories.signIn(away, 'eve', 'eve-password', browser.asker())).rejects.toEqual(
      code('DIRECTORY_FAILED'),
    );
  });
});

/** Until it does not fail any more. */
const workUntil = async (work: () => Promise<unknown>): Promise<void> => {
  const untilMs = systemClock.monotonic() + 30_000;
  for (;;) {
    try {
      await work();
      return;
    } catch (error) {
      if (systemClock.monotonic() > untilMs) throw error;
      await systemClock.sleep(50);
    }
  }
};

describe('OpenID Connect', () => {
  let issuer = '';
  let server: Server;
  const groups = new Map<string, readonly string[]>();
  const redirect = 'http://localhost:9620/identity/arrive';

  beforeAll(async () => {
    const port = await freePort();
    issuer = `http://127.0.0.1:${port}`;
    const provider = new Provider(issuer, {
      clients: [
        {
          ...{ client_id: 'coequal', client_secret: 'secret', redirect_uris: [redirect] },
          ...{ grant_types: ['authorization_code', 'refresh_token'], application_type: 'native' },
        },
      ],
      claims: { profile: ['preferred_username', 'name', 'groups'] },
      scopes: ['openid', 'profile', 'offline_access'],
      pkce: { required: () => true },
      features: { devInteractions: { enabled: true } },
      findAccount: async (_: unknown, id: string) =>
        groups.has(id)
          ? {
              accountId: id,
              claims: async () => ({
                sub: id,
                preferred_username: id,
                name: `${id} of the bank`,
                groups: groups.get(id),
              }),
            }
          : undefined,
    });
    server = createServer(provider.callback());
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    writeFileSync(join(folder, 'oidc.secret'), 'secret\n', { mode: 0o600 });
    closing.push(() => {
      server.closeAllConnections();
      server.close();
    });
  });
  afterEach(() => groups.clear());

  /** A browser at the provider: signs in, agrees, and answers what it is sent back with. */
  const visit = async (url: string, name: string): Promise<string> => {
    const cookies = new Map<string, string>();
    let next = url;
    let body: URLSearchParams | undefined;
    for (let hops = 0; hops < 20; hops += 1) {
      const answer = await fetch(next, {
        ...{ redirect: 'manual', method: body === undefined ? 'GET' : 'POST', body: body ?? null },
        headers: { cookie: [...cookies].map(([key, value]) => `${key}=${value}`).join('; ') },
      });
      for (const one of answer.headers.getSetCookie()) {
        const [key = '', value = ''] = (one.split(';')[0] ?? '').split('=');
        cookies.set(key, value);
      }
      const to = answer.headers.get('location');
      body = undefined;
      if (to !== null) {
        next = new URL(to, next).href;
        if (next.startsWith(redirect)) return next.slice(redirect.length + 1);
        continue;
      }
      const html = await answer.text();
      const prompt = /name="prompt" value="(\w+)"/.exec(html)?.[1] ?? '';
      next = new URL(/action="([^"]+)"/.exec(html)?.[1] ?? '', next).href;
      body = new URLSearchParams({ prompt, login: name, password: 'x' });
    }
    throw new Error(`the provider does not let ${name} in`);
  };

  const openOne = (name: string) =>
    open(name, (ports) => ({
      oidc: openOidc(
        {
          ...{ issuer, clientId: 'coequal', clientSecretFile: join(folder, 'oidc.secret') },
          ...{ scope: 'openid profile offline_access', nameClaim: 'preferred_username', displayClaim: 'name' },
          ...{ groupsClaim: 'groups', roles },
        },
        redirect,
        ports,
      ),
    }));

  test('groups become roles, follow changes, and who has left loses all of it', async () => {
    groups.set('cy', ['ops', 'staff']);
    const opened = await openOne('oidc-state');
    const { directories, oidc } = opened.identity;
    if (oidc === undefined) throw new Error('there is no provider');
    const browser = new Browser();
    const authenticator = new SoftAuthenticator();
    const { url, token } = await directories.ask(oidc);
    const query = await visit(url, 'cy');
    browser.keep(await directories.take(oidc, query, token, browser.asker()));
    expect(rolesOf(opened, browser)).toEqual(['operator']);
    await addPasskey(opened, browser, authenticator);
    groups.set('cy', ['watchers']);
    expect(await directories.round(oidc, never)).toBe(1);
    expect(rolesOf(opened, browser)).toEqual(['viewer']);
    groups.delete('cy');
    await directories.round(oidc, never);
    await expectNothing(opened, browser, authenticator);
  });

  test('an answer counts once, in the browser that was sent, and unchanged', async () => {
    groups.set('dee', ['ops']);
    const { identity } = await openOne('oidc-wrong');
    const { directories, oidc } = identity;
    if (oidc === undefined) throw new Error('there is no provider');
    const asker = new Browser().asker();
    const one = await directories.ask(oidc);
    const query = await visit(one.url, 'dee');
    await expect(directories.take(oidc, query, undefined, asker)).rejects.toEqual(code('SIGN_IN_FAILED'));
    const other = await directories.ask(oidc);
    await expect(directories.take(oidc, query, other.token, asker)).rejects.toEqual(code('SIGN_IN_FAILED'));
    const mixed = new URLSearchParams(query);
    mixed.set('state', new URL(other.url).searchParams.get('state') ?? '');
    await expect(directories.take(oidc, mixed.toString(), other.token, asker)).rejects.toEqual(code('SIGN_IN_FAILED'));
    const third = await directories.ask(oidc);
    const good = await visit(third.url, 'dee');
    await directories.take(oidc, good, third.token, asker);
    await expect(directories.take(oidc, good, third.token, asker)).rejects.toEqual(code('SIGN_IN_FAILED'));
  });

  test('whoever is in no group that counts does not come in', async () => {
    groups.set('eve', ['staff']);
    const { identity } = await openOne('oidc-nobody');
    const { directories, oidc } = identity;
    if (oidc === undefined) throw new Error('there is no provider');
    const { url, token } = await directories.ask(oidc);
    const query = await visit(url, 'eve');
    await expect(directories.take(oidc, query, token, new Browser().asker())).rejects.toEqual(code('SIGN_IN_FAILED'));
    expect(identity.anybody()).toBe(false);
  });
});
