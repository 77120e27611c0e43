/**
 * A directory over LDAP: people are found by their name with the account of the platform, proved by a bind with their password, and their
 * groups are those that name them as a member. Every connection is for one question, with a deadline.
 */
import { readFile } from 'node:fs/promises';
import { fail, reasonOf } from '@coequal/kernel';
import { AndFilter, Client, type Entry, EqualityFilter, FilterParser, InvalidCredentialsError } from 'ldapts';
import type { DirectoryEntry, GroupRole, PasswordDirectory } from '../directory.ts';
import { identityLimits } from '../limits.ts';

export type LdapSettings = {
  readonly url: string;
  /** PEM of the authority of its certificate. */
  readonly authority?: string | undefined;
  /** Account that may search. */
  readonly account: string;
  readonly passwordFile: string;
  readonly peopleBase: string;
  /** Who of them counts, like those that are not disabled. */
  readonly peopleFilter: string;
  readonly nameAttribute: string;
  readonly displayAttribute: string;
  /** What stays when the name changes. */
  readonly idAttribute: string;
  readonly groupBase: string;
  readonly memberAttribute: string;
  readonly roles: readonly GroupRole[];
};

export const openLdap = (settings: LdapSettings): PasswordDirectory => {
  const { url, authority, account, passwordFile, peopleBase, peopleFilter, idAttribute, nameAttribute } = settings;
  const connected = async <T>(work: (client: Client) => Promise<T>): Promise<T> => {
    const ca = authority === undefined ? undefined : await readFile(authority, 'utf8');
    const { deadlineMs } = identityLimits.directory;
    const client = new Client({
      ...{ url, timeout: deadlineMs, connectTimeout: deadlineMs, strictDN: true },
      ...(ca === undefined ? {} : { tlsOptions: { ca, minVersion: 'TLSv1.2' as const } }),
    });
    try {
      return await work(client);
    } catch (error) {
      throw fail('DIRECTORY_FAILED', { name: url, reason: reasonOf(error).slice(0, 200) }, { cause: error });
    } finally {
      // What it says to a good-bye changes nothing any more.
      await client.unbind().catch(() => undefined);
    }
  };
  const searching = <T>(work: (client: Client) => Promise<T>): Promise<T> =>
    connected(async (client) => {
      await client.bind(account, firstLine(await readFile(passwordFile, 'utf8')));
      return work(client);
    });
  const found = (attribute: string, value: string): Promise<{ dn: string; entry: DirectoryEntry } | undefined> =>
    searching(async (client) => {
      const filter = new AndFilter({
        filters: [FilterParser.parseString(peopleFilter), new EqualityFilter({ attribute, value })],
      });
      const attributes = [idAttribute, nameAttribute, settings.displayAttribute];
      const people = await client.search(peopleBase, { scope: 'sub', filter, attributes, sizeLimit: 2 });
      const [person, second] = people.searchEntries;
      // Two of one name are nobody: which of them is meant is not known.
      if (person === undefined || second !== undefined) return undefined;
      const external = textOf(person, idAttribute);
      const name = textOf(person, nameAttribute);
      if (external === undefined || name === undefined) return undefined;
      const groups = await client.search(settings.groupBase, {
        ...{ scope: 'sub', attributes: ['cn'], sizeLimit: identityLimits.directory.groups },
        filter: new EqualityFilter({ attribute: settings.memberAttribute, value: person.dn }),
      });
      const names = groups.searchEntries.flatMap((group) => textOf(group, 'cn') ?? []);
      const display = textOf(person, settings.displayAttribute) ?? name;
      return { dn: person.dn, entry: { external, name, display, groups: names } };
    });
  return {
    ...{ source: 'ldap', roles: settings.roles },
    look: async ({ external }) => (await found(idAttribute, external ?? ''))?.entry ?? 'gone',
    signIn: async (name, password) => {
      // An empty password would be no proof: servers take it as a bind of nobody (RFC 4513, 5.1.2).
      if (password === '') return undefined;
      const person = await found(nameAttribute, name);
      if (person === undefined) return undefined;
      const right = await connected(async (client) => {
        try {
          await client.bind(person.dn, password);
          return true;
        } catch (error) {
          if (error instanceof InvalidCredentialsError) return false;
          throw error;
        }
      });
      return right ? person.entry : undefined;
    },
  };
};

const textOf = (entry: Entry, attribute: string): string | undefined => {
  const value = entry[attribute];
  const first = Array.isArray(value) ? value[0] : value;
  // Bytes cannot be asked for again by their text, so whoever is known by them alone is not known.
  return typeof first !== 'string' || first === '' ? undefined : first.slice(0, 200);
};

const firstLine = (text: string): string => text.split('\n')[0]?.trimEnd() ?? '';
