/** Agents in the estate file: defaults, and for every way of being wrong the place and the words a person gets. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { formatEstate } from './format.ts';
import { estateOrThrow, parseEstate } from './parse.ts';
import type { Problem } from './problem.ts';

const file = readFileSync(new URL('../../../estates/three-centres.yaml', import.meta.url), 'utf8');
const accountLine = '    databaseAccount: { user: coequal_agent, passwordFile: /etc/coequal/agent.password }';
const withAgents = (lines: string): string => `${file.replace(/^agents:\n(?:[ #].*\n|\n)*/m, '')}\nagents:\n${lines}\n`;
const problemsOf = (lines: string): readonly Problem[] => {
  const result = parseEstate(withAgents(lines));
  return result.ok ? result.warnings : result.problems;
};
const told = (lines: string): readonly string[] => problemsOf(lines).map(({ path, message }) => `${path}: ${message}`);

describe('what the file leaves out', () => {
  test('a host is enough for an agent', () => {
    const [agent] = estateOrThrow(withAgents('  - { host: north-1 }'), 'e.yaml').agents;
    expect(agent).toEqual({
      name: 'north-1',
      host: 'north-1',
      port: 9_361,
      stateFolder: '/var/lib/coequal/agents/north-1',
      wholeMachine: true,
      databases: [],
      logs: [],
      scrapes: [],
    });
  });

  test('ports of databases follow their engines', () => {
    const text = ['mariadb', 'mysql', 'postgres']
      .map((engine) => `      - { engine: ${engine}, instance: ${engine}-1, account: { user: w, passwordFile: /w } }`)
      .join('\n');
    const estate = estateOrThrow(withAgents(`  - host: north-1\n${accountLine}\n    databases:\n${text}`), 'e.yaml');
    expect(estate.agents[0]?.databases.map(({ address, port }) => `${address}:${port}`)).toEqual([
      '127.0.0.1:3306',
      '127.0.0.1:3306',
      '127.0.0.1:5432',
    ]);
    expect(parseEstate(formatEstate(estate))).toMatchObject({ ok: true, estate, warnings: [] });
  });
});

describe('what is wrong is told where it stands', () => {
  test.each([
    ['a host that is not there', '  - { host: nort-1 }', 'agents[0].host: There is no host `nort-1`'],
    [
      'a second agent of a host',
      `  - { host: north-1, name: a }\n  - { host: north-1, name: b, port: 9999 }`,
      'agents[1].host: Agents `b` and `a` both watch host `north-1`',
    ],
    [
      'a folder of the data of an instance',
      '  - { host: north-1, stateFolder: /var/lib/coequal/bank-north/agent }',
      'agents[0].stateFolder: Agent `north-1` and `bank-north` share the folder /var/lib/coequal/bank-north/agent on host `north-1`',
    ],
    [
      'a port that a gateway has on loopback',
      '  - { host: north-1, port: 13307 }',
      'agents[0].port: Agent `north-1` and gateway `gateway-north` are both at loopback of north-1 port 13307',
    ],
    [
      'a certificate without its key',
      '  - { host: north-1, sendTo: { store: "https://s:1", certificate: /c } }',
      'agents[0].sendTo.certificate: `sendTo` of agent `north-1` has a certificate without its key',
    ],
    [
      'an address with a user in it',
      '  - { host: north-1, sendTo: { store: "http://me:secret@s:1" } }',
      'agents[0].sendTo.store: `http://me:secret@s:1` is not an address of a service',
    ],
    [
      'a user without a password',
      '  - { host: north-1, scrapes: [{ job: snmp, url: "http://a:1/metrics", user: me }] }',
      'agents[0].scrapes[0].user: Scrape `snmp` has a user without a password',
    ],
    [
      'one exporter twice',
      '  - { host: north-1, scrapes: [{ job: snmp, url: "http://a:1/x" }, { job: snmp, url: "http://a:1/y" }] }',
      'agents[0].scrapes[1]: The scrape of job snmp of a:1 is there a second time',
    ],
    [
      'one log twice',
      '  - { host: north-1, logs: [{ path: /a/b }, { path: /a//b }] }',
      'agents[0].logs[1].path: The log /a/b is followed a second time',
    ],
    [
      'an instance of the estate among the databases that are only watched',
      '  - { host: north-1, databases: [{ engine: mariadb, instance: bank-north, account: { user: w, passwordFile: /w } }] }',
      'agents[0].databases[0].instance: `bank-north` is an instance of the estate already',
    ],
    [
      'a misspelt key',
      '  - { host: north-1, scrape: [] }',
      'agents[0].scrape: There is no key `scrape` in `agents[0]`',
    ],
    [
      'an interval that is no duration',
      '  - { host: north-1, scrapes: [{ job: snmp, url: "http://a:1", every: 10 }] }',
      'agents[0].scrapes[0].every: `agents[0].scrapes[0].every` is the number 10, and text is expected',
    ],
  ])('%s', (_, lines, expected) => {
    expect(told(lines)).toContain(expected);
    expect(problemsOf(lines)[0]?.line).toBeGreaterThan(60);
  });

  test('instances that nobody will watch are a warning', () => {
    expect(told('  - { host: north-1 }')).toEqual([
      'agents[0]: Agent `north-1` has no `databaseAccount`, so `bank-north` will not be watched',
    ]);
    expect(told(`  - host: north-1\n${accountLine}`)).toEqual([]);
  });
});
