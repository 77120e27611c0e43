/** The estate parser: what is valid, and for every way of being wrong the place and the words a person gets. */
import { readFileSync } from 'node:fs';
import { CoequalError } from '@coequal/kernel';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { estateOrThrow, parseEstate } from './parse.ts';
import { formatProblem, type Problem } from './problem.ts';

const example = (name: string): string =>
  readFileSync(new URL(`../../../estates/${name}.yaml`, import.meta.url), 'utf8');
const threeCentres = example('three-centres');
/** The same without gateways (parse-gateway.test.ts is about those), for tests that add or move whole parts. */
const direct = threeCentres.replace(/^# Where applications[\s\S]*?(?=^limits:)/m, '');
const witness = example('two-sites-and-witness');

const problemsOf = (text: string): readonly Problem[] => {
  const result = parseEstate(text);
  return result.ok ? [] : result.problems;
};

const messagesOf = (text: string): readonly string[] =>
  problemsOf(text).map((problem) => formatProblem('coequal.yaml', problem));

/** The example with one passage replaced; the passage must be there, or the test would test nothing. */
const changed = (text: string, from: string, to: string): string => {
  expect(text).toContain(from);
  return text.replace(from, to);
};

/** Line and column of a passage, counted from 1 as editors do. */
const placeOf = (text: string, passage: string): { line: number; column: number } => {
  const before = text.slice(0, text.indexOf(passage)).split('\n');
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
};

describe('the examples', () => {
  test.each(['three-centres', 'two-sites-and-witness'])('%s is valid, without a warning', (name) => {
    expect(parseEstate(example(name))).toMatchObject({ ok: true, warnings: [] });
  });

  test('three-centres becomes the model with units and defaults applied', () => {
    const estate = estateOrThrow(threeCentres, 'three-centres.yaml');
    expect(estate.links[1]).toEqual({ between: ['north', 'west'], rttMs: 5 });
    expect(estate.sites[0]?.hosts[0]).toMatchObject({ cpus: 16, memoryBytes: 64 * 2 ** 30 });
    expect(estate.services[0]).toMatchObject({ tls: true, stateTransfer: 'rsync', arbitrators: [] });
    expect(estate.services[0]?.instances[0]?.ports).toEqual({
      client: 3306,
      group: 4567,
      incremental: 4568,
      transfer: 4444,
    });
    expect(estate.limits.bufferPoolBytes).toBe(32 * 2 ** 30);
  });
});

describe('one mistake in the example gets one problem, at its place, with what to do', () => {
  type Case = [what: string, from: string, to: string, point: string, words: RegExp];
  const cases: readonly Case[] = [
    ['an unknown key', '    database: bank', '    databse: bank', 'databse', /no key `databse`.*mean `database`/],
    ['a key nothing resembles', 'version: 1', 'version: 1\nzzz: 2', 'zzz', /no key `zzz`.*keys here are `version`/],
    [
      'a missing key',
      '      - name: bank-west\n        host: west-1\n',
      '      - name: bank-west\n',
      'name: bank-west',
      /`services\[0\]\.instances\[2\]\.host` is missing/,
    ],
    ['a missing version', 'version: 1\n', '', 'name: example-bank', /`version` is missing\. Add `version: 1`/],
    ['another version', 'version: 1', 'version: 2', '2\n', /cannot be the number 2/],
    ['a misspelt preset', 'preset: default', 'preset: defualt', 'defualt', /mean `default`/],
    ['a duration without a unit', 'rtt: 2ms', 'rtt: 2', '2 }', /is the number 2, and text is expected.*`5ms`/],
    ['an unknown unit', 'rtt: 2ms', 'rtt: 2 lightyears', '2 lightyears', /`ms`, `s`, `min`, `h`/],
    ['a round trip time beyond reason', 'rtt: 2ms', 'rtt: 1h', '1h', /out of range.*0 ms and 10 s/],
    ['a size without a unit', 'freeDisk: 20GiB', 'freeDisk: 20', '20 #', /like `2GiB`/],
    ['a link to one site', '[north, south]', '[north]', '[north]', /exactly 2/],
    ['a list where a map belongs', 'cost: { monthly: 420, currency: EUR }', 'cost: [420]', '[420]', /is a list/],
    ['an empty value', 'memory: 64GiB', 'memory:', '\n  - name: south', /has no value/],
    ['a fraction of a connection', 'connectionsPerInstance: 500', 'connectionsPerInstance: 5.5', '5.5', /whole number/],
    ['too few connections', 'connectionsPerInstance: 500', 'connectionsPerInstance: 5', '5\n', /Write 10 to 100000/],
    ['a name with capitals', 'name: example-bank', 'name: Example', 'Example', /lower-case/],
    ['a currency sign', 'currency: EUR', 'currency: €', '€', /three capital letters/],
    ['a relative data folder', '/var/lib/coequal/bank-south', 'data/south', 'data/south', /absolute path/],
    ['a data folder that climbs', '/var/lib/coequal/bank-south', '/data/../etc', '/data/../etc', /absolute path/],
    ['a data folder with a semicolon', '/var/lib/coequal/bank-south', '/data/a;b', '/data/a;b', /absolute path/],
    ['an address with a port', 'address: 10.0.2.11', 'address: 10.0.2.11:3306', '10.0.2.11:3306', /without a port/],
    ['a mistyped address', 'address: 10.0.2.11', 'address: 10.0.2.311', '10.0.2.311', /not an address/],
    ['the address of everywhere', 'address: 10.0.2.11', 'address: 0.0.0.0', '0.0.0.0', /other hosts can reach/],
    ['a database with a slash', '    database: bank', '    database: a/b', 'a/b', /not a database name/],
    ['a database of digits', '    database: bank', '    database: "42"', '"42"', /not only digits/],
    ['a second key', 'name: example-bank', 'name: example-bank\nname: other', 'name: other', /`name` is given twice/],
    // Rules
    ['a reserved schema', '    database: bank', '    database: mysql', 'mysql', /belongs to the engine/],
    [
      'a second instance of one name',
      '- name: bank-south',
      '- name: bank-north',
      'bank-north\n        host: south',
      /second instance/,
    ],
    ['an unknown host', 'host: west-1', 'host: west-9', 'west-9', /no host `west-9`.*mean `west-1`/],
    ['an unknown site', '[north, south]', '[north, sooth]', 'sooth', /no site `sooth`.*mean `south`/],
    ['a link to itself', '[north, south]', '[north, north]', '[north, north]', /to itself/],
    ['a link told twice', '[north, west]', '[south, north]', '[south, north]', /second link/],
    [
      'one port for two uses',
      '/var/lib/coequal/bank-west',
      '/d\n        ports: { group: 3306 }',
      '3306 }',
      /uses 10\.0\.3\.11 port 3306 twice/,
    ],
    ['an architecture the engine has not', 'multi-active', 'cold-standby', 'cold-standby', /not `cold-standby`/],
    ['too little memory', 'memory: 64GiB', 'memory: 16GiB', '16GiB', /less memory than the buffer pools/],
  ];
  test.each(cases)('%s', (_, from, to, point, words) => {
    const text = changed(threeCentres, from, to);
    const problems = problemsOf(text);
    expect(messagesOf(text)).toEqual([expect.stringMatching(words)]);
    expect(problems[0]).toMatchObject(placeOf(text, point));
  });
});

describe('docs/estate.md shows what is really said', () => {
  const page = readFileSync(new URL('../../../docs/estate.md', import.meta.url), 'utf8');
  const misspelt = changed(threeCentres, '    database: bank', '    databse: bank');
  const twoSites = witness
    .replace(/^ {4}arbitrators:[\s\S]*?\n\n/m, '\n')
    .replace(/^ {2}- name: office[\s\S]*?\n\n/m, '\n')
    .replace(/^.*office\].*\n/gm, '');
  test.each([
    ['a misspelt key', misspelt],
    ['a time without a unit', changed(threeCentres, 'rtt: 2ms', 'rtt: 2')],
    ['two votes', twoSites],
    ['several', changed(misspelt, 'preset: default', 'preset: defualt')],
  ])('%s', (_, text) => {
    const messages = messagesOf(text);
    expect(messages.length).toBeGreaterThan(0);
    for (const message of messages) expect(page).toContain(message);
  });
});

describe('names', () => {
  test.each([
    [
      'a second site',
      '- name: south\n',
      '- name: north\n',
      'north\n    hosts:\n      - name: south-1',
      /second site is named `north`/,
    ],
    [
      'a second host',
      '- name: south-1',
      '- name: north-1',
      'north-1\n        address: 10.0.2',
      /second host is named `north-1`/,
    ],
  ])('%s of one name is told first, before the references that it breaks', (_, from, to, point, words) => {
    const text = changed(threeCentres, from, to);
    expect(messagesOf(text)[0]).toMatch(words);
    expect(problemsOf(text)[0]).toMatchObject(placeOf(text, point));
  });

  test('a second service of one name is refused', () => {
    const [, service = ''] = /^services:\n([\s\S]*?)\n\nlimits/m.exec(direct) ?? [];
    const twice = changed(direct, service, `${service}\n${service}`);
    expect(messagesOf(twice)).toContainEqual(expect.stringMatching(/second service is named `bank`/));
  });
});

describe('votes', () => {
  const withInstances = (count: number, arbitrators = 0): string => {
    const sites = Array.from({ length: count + arbitrators }, (_, i) => i + 1);
    return [
      'version: 1\nname: e\nsites:',
      ...sites.map((i) => `  - { name: s${i}, hosts: [{ name: h${i}, address: 10.0.${i}.1 }] }`),
      'services:\n  - name: bank\n    database: bank\n    instances:',
      ...sites.slice(0, count).map((i) => `      - { name: i${i}, host: h${i}, dataFolder: /d }`),
      ...(arbitrators === 0 ? [] : ['    arbitrators:']),
      ...sites.slice(count).map((i) => `      - { name: a${i}, host: h${i} }`),
    ].join('\n');
  };

  test.each([
    [3, 0],
    [5, 0],
    [2, 1],
    [4, 1],
  ])('%i instances and %i arbitrators are valid', (instances, arbitrators) => {
    expect(messagesOf(withInstances(instances, arbitrators))).toEqual([]);
  });

  test.each([
    [1, 0, /one instance, so losing it is losing the service/],
    [2, 0, /2 votes: when either site is lost.*arbitrator/],
    [4, 0, /4 votes, an even number.*Add an instance, or an arbitrator/],
    [3, 1, /4 votes, an even number.*Remove an arbitrator/],
  ])('%i instances and %i arbitrators are refused', (instances, arbitrators, words) => {
    expect(messagesOf(withInstances(instances, arbitrators))).toEqual([expect.stringMatching(words)]);
  });

  test('an empty list of instances is told as no instance', () => {
    const text = withInstances(1).replace(/instances:[\s\S]*$/, 'instances: []');
    expect(messagesOf(text)).toContainEqual(expect.stringMatching(/has no instance, so/));
  });

  test('a witness beside an instance is refused, because its site would hold the majority', () => {
    const second = '      - name: harbour-2\n        address: db2.harbour.example.com\n';
    const moved = changed(
      changed(witness, '  - name: station\n', `${second}  - name: station\n`),
      'host: office-1',
      'host: harbour-2',
    );
    const messages = messagesOf(moved);
    expect(messages).toContainEqual(expect.stringMatching(/gives? site `harbour` 2 of 3 votes/));
    expect(messages).toContainEqual(expect.stringMatching(/Site `office` has no instance and no arbitrator/));
  });

  test('a site with half of the votes is a warning that names it', () => {
    const text = withInstances(3).replace(
      '{ name: s1, hosts: [{ name: h1, address: 10.0.1.1 }] }',
      '{ name: s1, hosts: [{ name: h1, address: 10.0.1.1 }, { name: h1b, address: 10.0.1.2 }] }',
    );
    const result = parseEstate(
      changed(
        changed(text, 'host: h2', 'host: h1b'),
        '  - { name: s2, hosts: [{ name: h2, address: 10.0.2.1 }] }\n',
        '',
      ),
    );
    expect(result).toMatchObject({
      ok: true,
      warnings: [{ message: expect.stringMatching(/Site `s1` holds 2 of the 3/) }],
    });
  });

  test('two votes on one host are refused', () => {
    const text = changed(witness, 'host: station-1', 'host: harbour-1');
    expect(messagesOf(text)).toContainEqual(expect.stringMatching(/both on host `harbour-1`/));
  });
});

describe('places', () => {
  test('an encrypted service whose cache lies in the clear is refused at the cache', () => {
    const text = changed(witness, 'cacheFolder: /mnt/encrypted/bank-station', 'cacheFolder: /var/cache/bank');
    expect(messagesOf(text)).toEqual([
      expect.stringMatching(/Galera cache \(\/var\/cache\/bank\) is written in the clear/),
    ]);
    expect(problemsOf(text)[0]).toMatchObject(placeOf(text, '/var/cache/bank'));
  });

  test('a folder that only begins like a safe one is not safe', () => {
    const text = changed(witness, 'cacheFolder: /mnt/encrypted/bank-station', 'cacheFolder: /mnt/encrypted-not/bank');
    expect(messagesOf(text)).toHaveLength(1);
  });

  test('without a cache folder the data folder is judged', () => {
    const text = changed(witness, '        cacheFolder: /mnt/encrypted/bank-station\n', '');
    expect(problemsOf(text)[0]).toMatchObject({ path: 'services[0].instances[1].dataFolder' });
  });

  test('a key in a data folder is refused', () => {
    const text = changed(witness, '/etc/coequal/bank.keys', '/var/lib/coequal/bank-harbour/keys');
    expect(messagesOf(text)).toEqual([expect.stringMatching(/takes the data takes the key/)]);
  });

  test('one address for two hosts, and then for two instances, is told for each pair once', () => {
    const text = changed(direct, 'address: 10.0.2.11', 'address: 10.0.1.11');
    expect(messagesOf(text)).toEqual([
      expect.stringMatching(/Hosts `south-1` and `north-1` have the same address/),
      expect.stringMatching(/instance `bank-north` are both at 10\.0\.1\.11 port 3306/),
    ]);
  });

  test('two spellings of one IPv6 address are one address', () => {
    const text = changed(changed(threeCentres, '10.0.1.11', 'fd00::1'), '10.0.2.11', 'fd00:0:0::0001');
    expect(messagesOf(text)[0]).toMatch(/have the same address fd00::1/);
  });

  test('two services may share hosts, not folders or ports', () => {
    const [, service = ''] = /^services:\n([\s\S]*?)\n\nlimits/m.exec(direct) ?? [];
    const second = service.replaceAll('bank', 'shop').replaceAll('/coequal/shop-', '/coequal/bank-');
    const messages = messagesOf(changed(direct, service, `${service}\n${second}`));
    expect(messages.filter((message) => message.includes('share the folder'))).toHaveLength(3);
    expect(messages.filter((message) => message.includes('are both at'))).toHaveLength(3);
  });
});

describe('text that is not an estate', () => {
  test.each([
    ['nothing', '', /1:1: The file is empty/],
    ['only a comment', '# soon\n', /1:1: The file is empty/],
    ['a word', 'x', /1:1: The file is the text `x`/],
    ['a list', '[1]', /1:1: The file is a list/],
    ['an open bracket', 'a: [', /This is not YAML/],
    ['a tab', 'a:\n\t- b', /2:1: A tab indents/],
    ['a tag', 'a: !!js/function x', /A tag/],
    ['two documents', 'a: 1\n---\nb: 1', /2:1: A second document/],
    ['an alias to nothing', 'a: *x', /1:4: Nothing before this place is marked `&x`/],
    ['a list as a key', '? [a]\n: b', /A key is a word/],
    ['a zero byte', 'a: \u0000', /not text/],
    ['too much', `a: ${'x'.repeat(2 ** 20)}`, /larger than 1 MiB/],
    ['brackets without end', '['.repeat(20_000), /nested too deeply/],
  ])('%s', (_, text, words) => {
    expect(messagesOf(text)).toEqual([expect.stringMatching(words)]);
  });

  test('an alias bomb is refused instead of expanded', () => {
    const level = (name: string, of: string): string => `${name}: &${name} [${Array(10).fill(`*${of}`).join(', ')}]\n`;
    const bomb = `a: &a [1, 2]\n${level('b', 'a')}${level('c', 'b')}${level('d', 'c')}${level('e', 'd')}`;
    expect(messagesOf(bomb)).toEqual([expect.stringMatching(/aliases.*expand/)]);
  });

  test('a handful of aliases is welcome, and problems inside them point at the marked text', () => {
    const text = changed(
      changed(threeCentres, 'cost: { monthly: 420, currency: EUR }', 'cost: &cost { monthly: 420, currency: EUR }'),
      'cost: { monthly: 420, currency: EUR }',
      'cost: *cost',
    );
    expect(messagesOf(text)).toEqual([]);
    const wrong = changed(text, 'currency: EUR', 'currency: E');
    expect(problemsOf(wrong)[0]).toMatchObject(placeOf(wrong, 'E }'));
  });

  test('control characters of the file are not repeated to the terminal', () => {
    const text = changed(threeCentres, 'name: example-bank', 'name: "a\\e[31mb"\n"\\e[2J": 1');
    const messages = messagesOf(text);
    expect(messages).toHaveLength(2);
    expect(messages.join('')).not.toContain('\u001b');
  });

  test('whatever the text, the answer is an estate or problems with places inside the text', () => {
    const pieces = [
      ...threeCentres.split(/(?=[\n:{}[\],])/),
      '&a',
      '*a',
      '"',
      "'",
      '- ',
      '\t',
      '? ',
      '---',
      '__proto__: 1',
    ];
    const soup = fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 6 })), { maxLength: 60 });
    fc.assert(
      fc.property(soup, (parts) => {
        const text = parts.join('');
        const lines = text.split('\n').length;
        for (const { line, column, message, advice } of problemsOf(text)) {
          expect(line).toBeGreaterThan(0);
          expect(line).toBeLessThanOrEqual(lines + 1);
          expect(column).toBeGreaterThan(0);
          expect(message).not.toBe('');
          expect(advice).not.toBe('');
        }
      }),
    );
  });
});

describe('estateOrThrow', () => {
  test('lists every problem on a line of its own with file, line and column', () => {
    const text = changed(changed(threeCentres, 'rtt: 2ms', 'rtt: 2'), 'preset: default', 'preset: fast');
    expect(() => estateOrThrow(text, 'a/coequal.yaml')).toThrow(CoequalError);
    expect(() => estateOrThrow(text, 'a/coequal.yaml')).toThrow(
      /a\/coequal\.yaml is not a valid estate: 2 problems found\.\na\/coequal\.yaml:\d+:\d+: .*\na\/coequal\.yaml:\d+:\d+: /,
    );
  });

  test('lists the first fifty and counts the rest', () => {
    const keys = Array.from({ length: 80 }, (_, index) => `unknown${index}: 1`).join('\n');
    expect(() => estateOrThrow(`${threeCentres}\n${keys}`, 'e.yaml')).toThrow(/and 30 more/);
  });
});
