/** The beginning of connections: bytes that real clients and servers send, and round trips. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Capabilities,
  CLIENT,
  hasBase,
  hasExtended,
  intersect,
  MARIADB,
  noCapabilities,
  without,
  withoutUnsupported,
} from './capabilities.ts';
import {
  type ChangeUser,
  encodeAuthMore,
  encodeAuthSwitch,
  encodeChangeUser,
  encodeGreeting,
  encodeLogin,
  encodeSslRequest,
  type Greeting,
  type Login,
  parseAuthMore,
  parseAuthSwitch,
  parseChangeUser,
  parseClientHello,
  parseGreeting,
} from './handshake.ts';
import { bytesOf, hex, problemIn, read, shortText } from './testing/bytes.ts';

const scramble = Buffer.from('abcdefghijklmnopqrst');

const capabilitySet = (always: number): fc.Arbitrary<Capabilities> =>
  fc.record({ base: fc.nat(0xffff_ffff), extended: fc.nat(0xffff_ffff) }).map(({ base, extended }) => {
    const kept = (base | always) >>> 0;
    return { base: kept, extended: (kept & CLIENT.MYSQL) === 0 ? extended : 0 };
  });

describe('capabilities', () => {
  test('the highest flags of both halves are flags like others', () => {
    const all: Capabilities = { base: 0xffff_ffff, extended: 0xffff_ffff };
    expect(hasBase(all, CLIENT.REMEMBER_OPTIONS)).toBe(true);
    expect(hasBase(without(all, CLIENT.REMEMBER_OPTIONS), CLIENT.REMEMBER_OPTIONS)).toBe(false);
    expect(intersect(all, { base: 0x8000_0001, extended: 0x8000_0000 })).toEqual({
      base: 0x8000_0001,
      extended: 0x8000_0000,
    });
    expect(intersect(all, noCapabilities)).toEqual(noCapabilities);
    expect(hasBase({ base: CLIENT.SSL, extended: 0 }, CLIENT.SSL | CLIENT.COMPRESS)).toBe(false);
  });

  test('what the codec does not follow is taken away, and nothing else', () => {
    const all = withoutUnsupported({ base: 0xffff_ffff, extended: 0xff });
    for (const flag of [
      CLIENT.COMPRESS,
      CLIENT.ZSTD_COMPRESSION_ALGORITHM,
      CLIENT.QUERY_ATTRIBUTES,
      CLIENT.OPTIONAL_RESULTSET_METADATA,
    ])
      expect(hasBase(all, flag)).toBe(false);
    for (const flag of [
      CLIENT.SSL,
      CLIENT.DEPRECATE_EOF,
      CLIENT.SESSION_TRACK,
      CLIENT.LOCAL_FILES,
      CLIENT.MULTI_STATEMENTS,
    ])
      expect(hasBase(all, flag)).toBe(true);
    expect(hasExtended(all, MARIADB.COM_MULTI)).toBe(false);
    expect(hasExtended(all, MARIADB.CACHE_METADATA | MARIADB.STMT_BULK_OPERATIONS)).toBe(true);
  });
});

describe('the greeting', () => {
  const mariadb = hex(`
    0a 35 2e 35 2e 35 2d 31 30 2e 31 31 2e 31 39 2d 4d 61 72 69 61 44 42 00
    0b 00 00 00 61 62 63 64 65 66 67 68 00 fe f7 2d 02 00 ff 81 15
    00 00 00 00 00 00 1d 00 00 00
    69 6a 6b 6c 6d 6e 6f 70 71 72 73 74 00
    6d 79 73 71 6c 5f 6e 61 74 69 76 65 5f 70 61 73 73 77 6f 72 64 00`);

  const greeting: Greeting = {
    serverVersion: '5.5.5-10.11.19-MariaDB',
    connectionId: 11,
    scramble,
    capabilities: { base: 0x81ff_f7fe, extended: 0x1d },
    collation: 45,
    status: 2,
    plugin: 'mysql_native_password',
  };

  test('of MariaDB, with its extended capabilities', () => {
    expect(read(parseGreeting(mariadb))).toEqual(greeting);
    expect(encodeGreeting(greeting)).toEqual(mariadb);
  });

  test('of MySQL has none, whatever stands in their place', () => {
    const mysql = {
      ...greeting,
      capabilities: { base: (greeting.capabilities.base | CLIENT.MYSQL) >>> 0, extended: 0x1d },
    };
    expect(read(parseGreeting(encodeGreeting(mysql))).capabilities.extended).toBe(0);
  });

  test('comes back as it was written', () => {
    fc.assert(
      fc.property(
        fc.record({
          serverVersion: shortText,
          connectionId: fc.nat(0xffff_ffff),
          scramble: bytesOf({ min: 20, max: 20 }),
          capabilities: capabilitySet(CLIENT.PROTOCOL_41 | CLIENT.SECURE_CONNECTION | CLIENT.PLUGIN_AUTH),
          collation: fc.nat(255),
          status: fc.nat(0xffff),
          plugin: shortText,
        }),
        (given) => {
          expect(read(parseGreeting(encodeGreeting(given)))).toEqual(given);
        },
      ),
    );
  });

  test('may challenge with 32 bytes, as ed25519 does', () => {
    const long = { ...greeting, scramble: Buffer.alloc(32, 7), plugin: 'client_ed25519' };
    expect(read(parseGreeting(encodeGreeting(long)))).toEqual(long);
  });

  test.each([
    ['of an old protocol', '09 33 2e 32 00', 'unsupported'],
    ['without the second half', '0a 34 2e 30 00 01 00 00 00 61 62 63 64 65 66 67 68 00 00 00', 'unsupported'],
    ['that ends early', '0a 35 2e 35 00 01 00', 'truncated'],
    ['of nothing', '', 'unsupported'],
  ])('%s is a problem', (_, text, expected) => {
    expect(problemIn(parseGreeting(hex(text)))).toBe(expected);
  });
});

describe('the response', () => {
  const login = (base: number, extended: number, more: Partial<Login> = {}): Omit<Login, 'kind'> => ({
    capabilities: { base: (base | CLIENT.PROTOCOL_41) >>> 0, extended },
    maxPacketBytes: 0x100_0000,
    collation: 45,
    user: 'anna',
    answer: Buffer.alloc(20, 0x61),
    database: '',
    plugin: '',
    attributes: new Map(),
    ...more,
  });

  test('of a small client, byte by byte', () => {
    const bytes = hex(`
      08 82 00 00 00 00 00 01 2d 00000000 00000000 00000000 00000000 000000 00 00 00 00
      61 6e 6e 61 00 03 01 02 03 62 61 6e 6b 00`);
    expect(read(parseClientHello(bytes))).toEqual({
      kind: 'login',
      capabilities: { base: CLIENT.PROTOCOL_41 | CLIENT.SECURE_CONNECTION | CLIENT.CONNECT_WITH_DB, extended: 0 },
      maxPacketBytes: 0x100_0000,
      collation: 45,
      user: 'anna',
      answer: Buffer.of(1, 2, 3),
      database: 'bank',
      plugin: '',
      attributes: new Map(),
    });
  });

  test.each([
    ['with its length in front', CLIENT.PLUGIN_AUTH_LENENC_CLIENT_DATA, Buffer.alloc(300, 0)],
    ['with its length in one byte', CLIENT.SECURE_CONNECTION, Buffer.alloc(200, 0)],
    ['up to a zero', 0, Buffer.alloc(20, 0x61)],
  ])('its answer may come %s', (_, base, answer) => {
    const given = login(base | CLIENT.PLUGIN_AUTH, 0, { answer, plugin: 'mysql_native_password' });
    expect(read(parseClientHello(encodeLogin(given)))).toEqual({ kind: 'login', ...given });
  });

  test('comes back as it was written', () => {
    fc.assert(
      fc.property(
        capabilitySet(CLIENT.PROTOCOL_41 | CLIENT.PLUGIN_AUTH_LENENC_CLIENT_DATA),
        fc.record({ user: shortText, database: shortText, plugin: shortText }),
        bytesOf({ max: 300 }),
        fc.array(fc.tuple(shortText, shortText), { maxLength: 5 }),
        fc.nat(22),
        (capabilities, names, answer, attributes, zstdLevel) => {
          const has = (flag: number) => hasBase(capabilities, flag);
          const given: Omit<Login, 'kind'> = {
            capabilities,
            maxPacketBytes: 1,
            collation: 33,
            user: names.user,
            answer,
            database: has(CLIENT.CONNECT_WITH_DB) ? names.database : '',
            plugin: has(CLIENT.PLUGIN_AUTH) ? names.plugin : '',
            attributes: new Map(has(CLIENT.CONNECT_ATTRS) ? attributes : []),
            ...(has(CLIENT.ZSTD_COMPRESSION_ALGORITHM) ? { zstdLevel } : {}),
          };
          expect(read(parseClientHello(encodeLogin(given)))).toEqual({ kind: 'login', ...given });
        },
      ),
    );
  });

  test('a wish for TLS is the beginning of it and nothing more', () => {
    const request = { capabilities: { base: CLIENT.PROTOCOL_41, extended: 8 }, maxPacketBytes: 100, collation: 45 };
    const bytes = encodeSslRequest(request);
    expect(bytes).toHaveLength(32);
    expect(read(parseClientHello(bytes))).toEqual({
      kind: 'ssl-request',
      ...request,
      capabilities: { base: CLIENT.PROTOCOL_41 | CLIENT.SSL, extended: 8 },
    });
    const behindTls = encodeLogin(login(CLIENT.SSL | CLIENT.SECURE_CONNECTION, 0));
    expect(read(parseClientHello(behindTls)).kind).toBe('login');
  });

  test('a plugin may come without its zero', () => {
    const bytes = encodeLogin(login(CLIENT.SECURE_CONNECTION | CLIENT.PLUGIN_AUTH, 0, { plugin: 'x' }));
    expect(read(parseClientHello(bytes.subarray(0, -1)))).toMatchObject({ plugin: 'x' });
  });

  test('attributes that lie about their lengths, or are too many, are a problem', () => {
    const flags = CLIENT.SECURE_CONNECTION | CLIENT.CONNECT_ATTRS;
    const bytes = encodeLogin(login(flags, 0, { attributes: new Map([['_os', 'Linux']]) }));
    bytes[bytes.length - 6] = 9;
    expect(problemIn(parseClientHello(bytes))).toBe('malformed');
    const many = login(flags, 0, { attributes: new Map([['a', 'x'.repeat(70_000)]]) });
    expect(problemIn(parseClientHello(encodeLogin(many)))).toBe('too-large');
  });

  test.each([
    ['from before protocol 4.1', '05 00 00 00 00 61 00', 'unsupported'],
    ['that ends early', '00 82 00 00', 'truncated'],
    ['of nothing', '', 'truncated'],
  ])('one %s is a problem', (_, text, expected) => {
    expect(problemIn(parseClientHello(hex(text)))).toBe(expected);
  });
});

describe('the change of method', () => {
  test('comes with a challenge and its zero', () => {
    const bytes = encodeAuthSwitch({ plugin: 'mysql_native_password', data: Buffer.alloc(20, 9) });
    expect(bytes.at(-1)).toBe(0);
    expect(read(parseAuthSwitch(bytes))).toEqual({ plugin: 'mysql_native_password', data: Buffer.alloc(20, 9) });
    expect(read(parseAuthSwitch(hex('fe 61 00')))).toEqual({ plugin: 'a', data: Buffer.alloc(0) });
  });

  test('to ed25519 comes with 32 bare bytes, whatever the last of them is', () => {
    for (const data of [Buffer.alloc(32, 9), Buffer.concat([Buffer.alloc(31, 9), Buffer.of(0)])]) {
      const bytes = encodeAuthSwitch({ plugin: 'client_ed25519', data });
      expect(bytes.subarray(-32)).toEqual(data);
      expect(read(parseAuthSwitch(bytes)).data).toEqual(data);
    }
  });

  test('to passwords from before protocol 4.1 is refused', () => {
    expect(problemIn(parseAuthSwitch(hex('fe')))).toBe('unsupported');
    expect(problemIn(parseAuthSwitch(hex('fe 61')))).toBe('truncated');
    expect(problemIn(parseAuthSwitch(hex('00')))).toBe('malformed');
  });

  test('the packets of a method are its own', () => {
    expect(read(parseAuthMore(encodeAuthMore(hex('03'))))).toEqual(hex('03'));
    expect(problemIn(parseAuthMore(hex('02')))).toBe('malformed');
  });
});

describe('COM_CHANGE_USER', () => {
  const capabilities: Capabilities = {
    base: CLIENT.PROTOCOL_41 | CLIENT.SECURE_CONNECTION | CLIENT.PLUGIN_AUTH | CLIENT.CONNECT_ATTRS,
    extended: 0,
  };

  test('comes back as it was written', () => {
    fc.assert(
      fc.property(
        shortText,
        shortText,
        shortText,
        bytesOf({ max: 255 }),
        fc.array(fc.tuple(shortText, shortText), { maxLength: 4 }),
        (user, database, plugin, answer, attributes) => {
          const change: ChangeUser = { user, database, plugin, answer, collation: 45, attributes: new Map(attributes) };
          expect(read(parseChangeUser(encodeChangeUser(change, capabilities), capabilities))).toEqual(change);
        },
      ),
    );
  });

  test('may end behind the database', () => {
    const change: ChangeUser = {
      user: 'a',
      database: 'b',
      plugin: '',
      answer: Buffer.of(1),
      collation: undefined,
      attributes: new Map(),
    };
    const bytes = encodeChangeUser(change, capabilities);
    expect(bytes).toEqual(hex('11 61 00 01 01 62 00'));
    expect(read(parseChangeUser(bytes, capabilities))).toEqual(change);
  });

  test('that ends early is a problem', () => {
    expect(problemIn(parseChangeUser(hex('11 61 00 05 01'), capabilities))).toBe('truncated');
    expect(problemIn(parseChangeUser(hex('03'), capabilities))).toBe('malformed');
  });
});

test('nothing throws, whatever comes instead of a handshake', () => {
  const all: Capabilities = { base: 0xffff_fffe, extended: 0xff };
  const fixed = Buffer.concat([hex('fe ff ff ff 00 00 00 01 2d'), Buffer.alloc(23)]);
  fc.assert(
    fc.property(bytesOf({ max: 200 }), (bytes) => {
      for (const payload of [bytes, Buffer.concat([fixed, bytes])]) parseClientHello(payload);
      for (const payload of [bytes, Buffer.concat([Buffer.of(10), bytes])]) parseGreeting(payload);
      for (const payload of [bytes, Buffer.concat([Buffer.of(0xfe), bytes])]) parseAuthSwitch(payload);
      for (const payload of [bytes, Buffer.concat([Buffer.of(0x11), bytes])]) parseChangeUser(payload, all);
      parseAuthMore(bytes);
    }),
    { numRuns: 1_000 },
  );
});
