/** The habits of the house that a machine can check: first this repository, then the rules on small bad examples. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import {
  checkCode,
  checkDeadFiles,
  checkDependencies,
  checkEntry,
  checkExports,
  checkImports,
  checkLockfile,
  checkMarkdown,
  checkNames,
  checkShape,
  checkText,
  packageOf,
  standings,
} from './tidy/checks.ts';
import { readRepository } from './tidy/repository.ts';
import { mayImport } from './tidy/rules.ts';
import { anchorOf, blank, importsOf } from './tidy/source.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const { entries, folders, texts, sources } = readRepository(root);
const documents = new Map(texts.filter(({ path }) => path.endsWith('.md')).map(({ path, text }) => [path, text]));
const manifests = new Map(
  texts.flatMap(({ path, text }) => {
    const name = /^packages\/([^/]+)\/package\.json$/.exec(path)?.[1];
    return name === undefined
      ? []
      : [[name, { dependencies: Object.keys(JSON.parse(text).dependencies ?? {}) }] as const];
  }),
);

/** The rules' own tables name what they ban. */
const isRuleBook = (path: string): boolean => path.startsWith('test/tidy');

describe('in this repository', () => {
  test('packages import downwards only, by name', () => {
    expect(checkImports(sources)).toEqual([]);
  });

  test('packages depend on what they import, and on nothing else', () => {
    expect(checkDependencies(sources, manifests)).toEqual([]);
  });

  test('every package has its place in the order of imports', () => {
    expect([...manifests.keys()].sort()).toEqual(Object.keys(mayImport).sort());
  });

  test('only edges and adapters touch the world, and nothing uses what is banned', () => {
    const standing = standings(sources);
    const code = sources.filter(({ path }) => packageOf(path) !== undefined || isRuleBook(path));
    expect(code.flatMap((file) => checkCode(file, standing.get(file.path) ?? 'test'))).toEqual([]);
  });

  test('no file is dead', () => {
    expect(checkDeadFiles(sources)).toEqual([]);
  });

  test('no package exports a value that nobody needs', () => {
    expect(checkExports(sources)).toEqual([]);
  });

  test('every source file opens with a comment and is as long as its concept', () => {
    expect(texts.filter(({ path }) => /\.(ts|mjs|js)$/.test(path)).flatMap(checkShape)).toEqual([]);
  });

  test('nothing is left unfinished, silenced or bound to one machine', () => {
    expect(texts.filter(({ path }) => !isRuleBook(path) && path !== 'package-lock.json').flatMap(checkText)).toEqual(
      [],
    );
  });

  test('files have the right modes, and none is large', () => {
    expect(entries.flatMap(checkEntry)).toEqual([]);
  });

  test('documents have one title, no skipped level and no dead link', () => {
    const paths = new Set([...entries.map(({ path }) => path), ...folders]);
    const findings = [...documents].flatMap(([path, text]) => checkMarkdown({ path, text }, documents, paths));
    expect(findings).toEqual([]);
  });

  test('the first documents name every package', () => {
    expect(checkNames(documents, [...manifests.keys()])).toEqual([]);
  });

  test('the lockfile is whole and names no host', () => {
    expect(checkLockfile(JSON.parse(readFileSync(`${root}package-lock.json`, 'utf8')).packages)).toEqual([]);
  });
});

describe('the rules find', () => {
  const core = 'packages/estate/src/core.ts';
  const at = (path: string, text: string) => ({ path, text });

  test.each([
    ['an import upwards', "import { a } from '@coequal/lab';", 'estate may import kernel'],
    ['an import of a package by path', "import { a } from '../../kernel/src/index.ts';", 'by its name'],
    ['an import past the index of a package', "import { a } from '@coequal/kernel/src/units.ts';", 'by its name'],
    ['an import of the own package by name', "export { a } from '@coequal/estate';", 'relative path'],
    ['an import without its ending', "import { a } from './other';", '.ts'],
    ['an import that is spread over lines', "import {\n  a,\n} from '@coequal/proof';", 'estate may import kernel'],
    ['an import at run time', "const a = await import('@coequal/cli');", 'estate may import kernel'],
  ])('%s', (_, text, message) => {
    const findings = checkImports([at(core, text)]);
    expect(findings).toHaveLength(1);
    expect(findings[0]).toContain(message);
  });

  test('ground for tests in what ships, and not in a test', () => {
    const text = "import { openGround } from '@coequal/engines/testing';";
    expect(checkImports([at('packages/gateway/src/index.ts', text)])).toHaveLength(1);
    expect(checkImports([at('packages/gateway/src/a.server.test.ts', text)])).toEqual([]);
  });

  test.each([
    ['the wall clock', 'const a = Date.now();'],
    ['a date from the wall clock', 'const a = new Date();'],
    ['the monotonic clock', 'const a = performance.now();'],
    ['randomness', 'const a = Math.random();'],
    ['the real clock', "import { systemClock } from '@coequal/kernel';"],
    ['the environment', "const a = process.env['A'];"],
    ['the process', 'process.exit(1);'],
    ['a timer', 'setTimeout(f, 1);'],
    ['the network', 'const a = await fetch(b);'],
    ['the console', 'console.log(1);'],
    ['a file', "import { readFile } from 'node:fs/promises';"],
    ['a socket', "import { connect } from 'node:net';"],
    ['a database', "import { createConnection } from 'mysql2/promise';"],
    ['a value without a type', 'const a: any = 1;'],
    ['an enum', 'export enum A { B }'],
    ['a namespace', 'namespace A {}'],
    ['an empty catch', 'try { a(); } catch (error) { /* nothing */ }'],
    ['a rejection swallowed', 'await a().catch(() => {});'],
    ['a default export', 'export default 1;'],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is code in a text, on purpose.
    ['code inside a text', 'const a = `${Date.now()} ms`;'],
  ])('%s in a core', (_, text) => {
    expect(checkCode(at(core, text), 'core')).toHaveLength(1);
  });

  test.each([
    ['a comment', '// Date.now() and process.env are not read here.'],
    ['a text', "const a = 'Date.now()';"],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is code in a text, on purpose.
    ['a template', 'const a = `setTimeout( ${b} : any`;'],
    ['a regular expression with a quote', "const a = /'/; const b: string = ': any';"],
    ['a date of a value', 'const a = new Date(at);'],
    ['a property', 'clock.setTimeout(1); a.process.exit(); Promise.any(b);'],
    ['the pure part of a module', "import { isIP } from 'node:net';"],
    ['a word that contains another', 'const company = many;'],
  ])('nothing in %s', (_, text) => {
    expect(checkCode(at(core, text), 'core')).toEqual([]);
  });

  test('files, processes and timers in a core, and not in an adapter or an edge', () => {
    const text = "import { readFile } from 'node:fs/promises';\nprocess.kill(1);\nsetTimeout(f, 1);";
    expect(checkCode(at(core, text), 'core')).toHaveLength(3);
    expect(checkCode(at(core, text), 'adapter')).toEqual([]);
    expect(checkCode(at(core, text), 'edge')).toEqual([]);
    expect(checkCode(at(core, 'Date.now()'), 'adapter')).toHaveLength(1);
  });

  test('where a file stands', () => {
    const files = [
      at('packages/estate/src/index.ts', "export { a } from './core.ts';\nexport { b } from './adapters/b.ts';"),
      at(core, ''),
      at('packages/estate/src/adapters/b.ts', ''),
      at('packages/estate/src/core.test.ts', "import './sample.ts';"),
      at('packages/estate/src/sample.ts', ''),
      at('packages/lab/src/daemon/main.ts', "new URL('./child.ts', import.meta.url)"),
      at('packages/lab/src/daemon/child.ts', ''),
    ];
    expect([...standings(files).values()]).toEqual(['core', 'core', 'adapter', 'test', 'test', 'edge', 'edge']);
    expect(checkDeadFiles([...files, at('packages/estate/src/dead.ts', '')])).toEqual([
      expect.stringContaining('packages/estate/src/dead.ts'),
    ]);
  });

  test('a dependency that is missing, and one that is not used', () => {
    const files = [
      at('packages/estate/src/index.ts', "import { z } from 'zod';\nimport { a } from '@scope/name/part';"),
    ];
    const findings = checkDependencies(files, new Map([['estate', { dependencies: ['zod', 'yaml'] }]]));
    expect(findings).toEqual([
      expect.stringContaining('@scope/name is imported'),
      expect.stringContaining('nothing imports yaml'),
    ]);
  });

  test('a value that is exported for nobody', () => {
    const files = [
      at('packages/kernel/src/index.ts', "export { a, b as c, type D } from './a.ts';\nexport * from './b.ts';"),
      at('packages/kernel/src/b.ts', "export { e } from './e.ts';"),
      at('packages/estate/src/other.ts', "import { c } from '@coequal/kernel';"),
    ];
    expect(checkExports(files)).toEqual([expect.stringContaining('imports a;'), expect.stringContaining('imports e;')]);
  });

  test('a file without its opening comment, and one that is too long', () => {
    expect(checkShape(at('a.ts', 'const a = 1;\n'))).toHaveLength(1);
    expect(checkShape(at('a.js', '#!/usr/bin/env node\n/** A. */\n'))).toEqual([]);
    expect(checkShape(at('a.ts', `/** A. */\n${'a();\n'.repeat(600)}`))).toHaveLength(1);
  });

  test.each([
    ['a silenced compiler', '// @ts-ignore'],
    ['something unfinished', `// ${'TO'}DO: later`],
    ['a path of one machine', 'See /home/somebody/notes.'],
  ])('%s', (_, text) => {
    expect(checkText(at('a.ts', text))).toHaveLength(1);
  });

  test('a wrong mode and a large file', () => {
    expect(checkEntry({ path: 'packages/a.ts', bytes: 1, executable: true })).toHaveLength(1);
    expect(checkEntry({ path: 'bin/coequal.js', bytes: 1, executable: false })).toHaveLength(1);
    expect(checkEntry({ path: 'docs/film.gif', bytes: 500_000, executable: false })).toHaveLength(1);
    expect(checkEntry({ path: 'package-lock.json', bytes: 500_000, executable: false })).toEqual([]);
  });

  test.each([
    ['a document without a title', '## Part\n', 2],
    ['a second title', '# A\n\n# B\n', 1],
    ['a skipped level', '# A\n\n### B\n', 1],
    ['a link to nowhere', '# A\n\n[b](missing.md)\n', 1],
    ['a link to a heading that is not there', '# A\n\n[b](other.md#two)\n', 1],
    [
      'nothing in a good document',
      '# A\n\n[b](other.md#one-more) [c](https://example.org) `[d](e)`\n\n```\n# x\n```\n',
      0,
    ],
  ])('%s', (_, text, count) => {
    const other = new Map([['docs/other.md', '# Other\n\n## One, more\n']]);
    expect(checkMarkdown(at('docs/a.md', text), other, new Set(['docs/other.md']))).toHaveLength(count);
  });

  test('a package that the first documents do not name', () => {
    const named = new Map([
      ['README.md', '# A\n\n`packages/kernel`'],
      ['ARCHITECTURE.md', '# B\n'],
    ]);
    expect(checkNames(named, ['kernel'])).toHaveLength(1);
  });

  test('a hole in the lockfile, and a host', () => {
    const packages = {
      'node_modules/a': { optionalDependencies: { 'a-linux': '1', 'a-darwin': '1' } },
      'node_modules/a-linux': { resolved: 'https://registry.example/a' },
    };
    expect(checkLockfile(packages)).toHaveLength(2);
  });

  test('imports and anchors as they are written', () => {
    expect(importsOf("import type { A, B as C } from './a.ts';\nimport './b.ts';")).toEqual([
      { from: './a.ts', names: ['A', 'B'], line: 1, handedOn: false },
      { from: './b.ts', names: [], line: 2, handedOn: false },
    ]);
    expect(anchorOf('What it is, and `why`?')).toBe('what-it-is-and-why');
    expect(blank("a('//'); // b", 'comments')).toBe("a('//');     ");
  });
});
