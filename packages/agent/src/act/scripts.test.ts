/** The bank's own scripts: signed, typed, without a shell, as they were checked. Real files and processes. */
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog, systemClock } from '@coequal/kernel';
import { makeSigningKey, sha256Hex, sign } from '@coequal/trust';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openScripts } from './adapters/scripts.ts';
import { parseManifest } from './manifest.ts';

const key = makeSigningKey();
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'coequal-scripts-'));
  chmodSync(folder, 0o755);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const me = process.getuid?.() === 0 ? 'root' : undefined;
const passwd = (): string => {
  const path = join(folder, 'passwd');
  writeFileSync(
    path,
    `me:x:${process.getuid?.()}:${process.getgid?.()}::/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n`,
  );
  return path;
};

const planted = (body: string, more: object = {}) => {
  const path = join(folder, 'tool.sh');
  writeFileSync(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  const manifest = {
    version: 1,
    scripts: [
      {
        name: 'tool',
        path,
        sha256: sha256Hex(readFileSync(path)),
        user: 'me',
        timeoutMs: 10_000,
        class: 'C1',
        ...more,
      },
    ],
  };
  const file = join(folder, 'scripts.json');
  writeFileSync(file, JSON.stringify(manifest));
  writeFileSync(`${file}.sig`, Buffer.from(sign(key.privatePem, readFileSync(file))).toString('base64'));
  writeFileSync(join(folder, 'key.pem'), key.publicPem);
  return { path, file };
};

const opened = async () => {
  const files = { manifest: join(folder, 'scripts.json'), key: join(folder, 'key.pem') };
  const scripts = await openScripts({
    files,
    folder: join(folder, 'run'),
    clock: systemClock,
    log: silentLog,
    passwd: passwd(),
  });
  const found = scripts.find('tool');
  if (found === undefined) throw new Error('no tool');
  return { scripts, tool: found };
};

describe('a signed script', () => {
  it('gets its arguments as they are, and no environment of the agent', async () => {
    planted('printf "%s|" "$@"; env', {
      arguments: [
        { name: 'table', type: 'text', flag: '--table' },
        { name: 'level', type: 'integer', least: 1, most: 9 },
        { name: 'dry', type: 'boolean', flag: '--dry' },
      ],
    });
    const { scripts, tool } = await opened();
    const argv = tool.argv({ table: '$(touch x); `id` "a b"', level: 3, dry: true });
    const result = await scripts.run(tool, argv, 'key-00001', new AbortController().signal);
    expect(result.status).toBe(0);
    const output = readFileSync(join(folder, 'run', 'key-00001.output'), 'utf8');
    expect(output).toContain('--table|$(touch x); `id` "a b"|3|--dry|');
    expect(output).not.toContain('HOME=');
    expect(readdirSync(join(folder, 'run'))).toEqual(['key-00001.output']);
  });

  it.skipIf(me === undefined)('runs as its user, who may gain nothing', async () => {
    planted('id -u; grep NoNewPrivs /proc/self/status', { user: 'nobody' });
    const { scripts, tool } = await opened();
    await scripts.run(tool, [], 'key-00002', new AbortController().signal);
    expect(readFileSync(join(folder, 'run', 'key-00002.output'), 'utf8')).toBe('65534\nNoNewPrivs:\t1\n');
  });

  it('does not run when a byte of it was changed, or when a link stands in its place', async () => {
    const { path } = planted('touch done');
    const { scripts, tool } = await opened();
    await scripts.check(tool);
    writeFileSync(path, '#!/bin/sh\ntouch worse\n');
    const run = scripts.run(tool, [], 'key-00003', new AbortController().signal);
    await expect(run).rejects.toMatchObject({ code: 'SCRIPT_CHANGED' });
    rmSync(path);
    await expect(scripts.check(tool)).rejects.toMatchObject({ code: 'SCRIPT_CHANGED' });
    expect(existsSync(join(folder, 'run', 'key-00003'))).toBe(false);
  });

  it('is ended with all it started when it is told to', async () => {
    planted('trap "" TERM; sleep 300 & sleep 300; sleep 300');
    const { scripts, tool } = await opened();
    const ends = new AbortController();
    const running = scripts.run(tool, [], 'key-00004', ends.signal);
    setTimeout(() => ends.abort(), 200);
    expect((await running).status).toBeNull();
  });
});

describe('a manifest', () => {
  it('without its signature, or with that of another key, counts for nothing', async () => {
    const { file } = planted('true');
    writeFileSync(file, readFileSync(file, 'utf8').replace('"C1"', '"C2"'));
    await expect(opened()).rejects.toMatchObject({ code: 'MANIFEST_INVALID' });
    writeFileSync(`${file}.sig`, Buffer.from(sign(makeSigningKey().privatePem, readFileSync(file))).toString('base64'));
    await expect(opened()).rejects.toMatchObject({ code: 'MANIFEST_INVALID' });
    rmSync(`${file}.sig`);
    await expect(opened()).rejects.toMatchObject({ code: 'MANIFEST_INVALID' });
  });

  const base = { name: 'tool', path: '/opt/tool', sha256: '0'.repeat(64), user: 'me', timeoutMs: 1_000, class: 'C1' };
  const parse = (scripts: readonly object[]) => parseManifest('m', JSON.stringify({ version: 1, scripts }));

  it.each([
    ['an unknown key', [{ ...base, shell: true }]],
    ['a path that climbs', [{ ...base, path: '/opt/../etc/x' }]],
    ['a relative path', [{ ...base, path: 'tool' }]],
    ['two of a name', [base, base]],
    ['a way back that is not there', [{ ...base, undo: 'other' }]],
    ['a restore that is not C3', [{ ...base, kind: 'restore' }]],
    ['a flag that is none', [{ ...base, arguments: [{ name: 'a', type: 'boolean', flag: 'x; rm' }] }]],
    ['no time', [{ ...base, timeoutMs: 0 }]],
  ])('is refused with %s', (_, scripts) => {
    expect(() => parse(scripts)).toThrow(/MANIFEST|is not used/);
  });

  it('takes only arguments of the right kind', () => {
    const tool = parse([
      {
        ...base,
        arguments: [
          { name: 'text', type: 'text', longest: 5 },
          { name: 'mode', type: 'choice', choices: ['a', 'b'], required: false },
          { name: 'count', type: 'integer', least: 1, most: 3, required: false },
        ],
      },
    ]).get('tool');
    expect(tool?.argv({ text: 'ab', mode: 'b' })).toEqual(['ab', 'b']);
    for (const given of [
      {},
      { text: '' },
      { text: '-rf' },
      { text: 'a\nb' },
      { text: 'abcdef' },
      { text: 7 },
      { text: 'a', mode: 'c' },
      { text: 'a', count: 4 },
      { text: 'a', count: 1.5 },
      { text: 'a', count: '2' },
      { text: 'a', other: 1 },
      { text: 'a', constructor: 1 },
    ])
      expect(() => tool?.argv(given as never), JSON.stringify(given)).toThrow(/script tool/);
  });
});
