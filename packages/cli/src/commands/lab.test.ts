/** The lab's commands against a lab that remembers what it was asked. */
import { fail } from '@coequal/kernel';
import { describe, expect, test } from 'vitest';
import { aborted } from '../interruption.ts';
import { listed, runIn } from '../testing.ts';
import { calmSnapshot, troubledSnapshot } from '../view/testing.ts';

const parsed = (text: string): unknown => JSON.parse(text);

describe('lab up', () => {
  test('shows how to connect, and an interruption ends the lab: code 0', async () => {
    const ran = await runIn(['lab', 'up', '--rtt', '5ms'], {}, 'north serving');
    expect(ran.told).toContain('mariadb -h 127.0.0.1 -P 33181 -u bank -p bank');
    expect(ran.told).toContain('its other gateway 127.0.0.1:33182; directly 127.0.0.1:33063');
    expect(ran.told).toContain('password k3v9xw2p7m');
    expect(ran.out).toMatch(/north serving 412 tx\/s/);
    expect(ran.calls).toEqual([expect.stringContaining('"rtt":"5ms"'), 'detach', 'end "lab"']);
    expect(ran.told).toMatch(/nothing of it is left/);
    expect(ran.code).toBe(0);
  });

  test('--json writes one snapshot a line on standard output and nothing else', async () => {
    const ran = await runIn(['lab', 'up', '--json'], {}, '"upMs"');
    expect(ran.out.trimEnd().split('\n').map(parsed)).toEqual([calmSnapshot]);
  });

  test('--detach returns once it serves, says how to connect and how to end, and lets it run', async () => {
    const ran = await runIn(['lab', 'up', '--detach', '--name', 'b']);
    expect(ran).toMatchObject({
      code: 0,
      out: expect.stringContaining('-P 33161'),
      told: expect.stringContaining('coequal lab down --name b'),
    });
    expect(ran.calls).toEqual([expect.stringMatching(/^start .*"detach":true/), 'detach']);
  });

  test('an interruption while it starts ends what was started', async () => {
    const start = (signal: AbortSignal) => aborted(signal).then(() => Promise.reject(fail('INTERRUPTED', {})));
    const ran = await runIn(['lab', 'up'], { start }, 'programs');
    expect(ran).toMatchObject({ code: 0, told: expect.stringMatching(/Nothing that it started is left/) });
  });

  test('a start that fails is told in one line, code 2', async () => {
    const start = () => Promise.reject(fail('PORT_BUSY', { port: 1, address: 'a', subject: 'it' }));
    expect(await runIn(['lab', 'up'], { start })).toMatchObject({
      code: 2,
      told: expect.stringMatching(/coequal: Port 1 on a is already in use\. .*\[PORT_BUSY\]\n$/),
    });
  });

  test('a lab that ends by itself is told, code 2', async () => {
    const watch = () => Promise.reject(fail('LAB_ENDED', { name: 'lab', reason: 'killed.', log: '/log' }));
    expect(await runIn(['lab', 'up'], { watch })).toMatchObject({
      code: 2,
      told: expect.stringMatching(/The lab lab ended: killed\./),
      calls: expect.arrayContaining(['bury "lab"']),
    });
  });

  test('options become the lab’s own', async () => {
    const args =
      '--name x --sites 5 --mode plain --preset tight --load d.sql.gz --skew 0.9 --gateways 1 --keep --hosts --no-workload --detach';
    const ran = await runIn(['lab', 'up', ...args.split(' ')]);
    expect(parsed(ran.calls[0]?.replace('start ', '') ?? '')).toEqual({
      name: 'x',
      sites: 5,
      mode: 'plain',
      preset: 'tight',
      loadPath: '/here/d.sql.gz',
      skew: 0.9,
      gateways: 1,
      keep: true,
      hosts: true,
      workload: false,
      detach: true,
    });
  });

  test('gateways can be left out', async () => {
    expect((await runIn(['lab', 'up', '--detach', '--no-gateways'])).calls[0]).toContain('"gateways":0');
    expect((await runIn(['lab', 'up', '--detach', '--gateways', '0'])).calls[0]).toContain('"gateways":0');
    expect((await runIn(['lab', 'up', '--detach'])).calls[0]).not.toContain('gateways');
  });

  test('limits of the mode are said', async () => {
    const limits = ['No latency between sites.'];
    const ran = await runIn(['lab', 'up', '--detach'], { snapshot: { ...calmSnapshot, mode: 'plain', limits } });
    expect(ran.out).toContain('Limit of plain mode: No latency between sites.');
  });

  test.each([
    ['--sites 3 --estate e.yaml', /--sites and --estate exclude/],
    ['--preset fast', /default, tight, stock/],
    ['--mode real', /full, plain/],
    ['--name A', /lower-case/],
    ['--skew 9', /0 to 3/],
    ['extra', /Too many arguments/],
  ])('%s is refused before anything is started', async (args, words) => {
    const ran = await runIn(['lab', 'up', ...args.split(' ')]);
    expect(ran).toMatchObject({ code: 2, out: '', calls: [], told: expect.stringMatching(words) });
    expect(ran.told.trimEnd()).not.toContain('\n');
  });
});

describe('lab status', () => {
  test('--json has the documented shape', async () => {
    const { out, code } = await runIn(['lab', 'status', '--json']);
    expect(code).toBe(0);
    expect(parsed(out)).toMatchObject({
      name: 'lab',
      mode: 'full',
      user: 'bank',
      password: 'k3v9xw2p7m',
      database: 'bank',
      sites: [
        {
          name: 'north',
          state: 'serving',
          rttMs: 5,
          gateways: [
            { name: 'north-gateway-1', host: '127.0.0.1', port: 33_161, metricsPort: 33_261, state: 'serving' },
            { name: 'north-gateway-2' },
          ],
          instances: [{ name: 'north-db-1', engine: 'galera', state: 'serving', host: '127.0.0.1', port: 33_061 }],
        },
        {},
        {},
      ],
    });
  });

  test('for people it tells states, reasons, the money and how to connect', async () => {
    const { out } = await runIn(['lab', 'status'], { snapshot: troubledSnapshot });
    expect(out).toMatch(/north +north-db-1 +gone +5 ms +killed; Connection refused\./);
    expect(out).toContain('Money: 999,999.00 of 1,000,000.00');
    expect(out).toMatch(/north +north-gateway-2 +gone +– +0 +0 +34 +http:\/\/127\.0\.0\.1:33262\/metrics/);
    expect(out).toMatch(/north +through gateways +0 +2\.0 s +96 +1,234 +0\nnorth +direct +412 +2\.0 s +12 +1,234 +0/);
    expect(out).toContain('mariadb -h 127.0.0.1 -P 33171');
  });

  test('without a name and with several labs, lists them', async () => {
    const script = { listed: [listed('a'), listed('b'), listed('c', false)] };
    expect((await runIn(['lab', 'status'], script)).out).toMatch(/a +running[\s\S]*b +running[\s\S]*c +ended/);
    expect(parsed((await runIn(['lab', 'status', '--json'], script)).out)).toEqual({ labs: script.listed });
  });

  test('without any lab it says so, and a named one that does not run is an error', async () => {
    expect(await runIn(['lab', 'status'], { listed: [] })).toMatchObject({
      code: 0,
      out: expect.stringContaining('No lab runs'),
    });
    expect(await runIn(['lab', 'status', '--name', 'x'])).toMatchObject({
      code: 2,
      told: expect.stringMatching(/no lab named x running/),
    });
  });

  test('with --json an error is an object on standard output too', async () => {
    const { out, told } = await runIn(['lab', 'status', '--name', 'x', '--json']);
    expect(parsed(out)).toMatchObject({ error: { code: 'LAB_NOT_RUNNING', kind: 'user' } });
    expect(told).toMatch(/^coequal: /);
  });
});

describe('lab down', () => {
  test('ends the one that runs, and not what another left', async () => {
    expect(await runIn(['lab', 'down'], { listed: [listed('a'), listed('b', false)] })).toMatchObject({
      code: 0,
      calls: ['end "a"'],
    });
  });

  test('with several running it asks which; --all ends all; nothing to end is no error', async () => {
    const script = { listed: [listed('a'), listed('b')] };
    expect(await runIn(['lab', 'down'], script)).toMatchObject({
      code: 2,
      calls: [],
      told: expect.stringMatching(/several labs \(a, b\)/),
    });
    const all = await runIn(['lab', 'down', '--all', '--json'], script);
    expect(parsed(all.out)).toEqual({
      ended: [
        { name: 'a', processes: 4, keptIn: null },
        { name: 'b', processes: 4, keptIn: null },
      ],
    });
    expect(await runIn(['lab', 'down'], { listed: [] })).toMatchObject({ code: 0, calls: [] });
  });

  test('says where data is kept, and --discard removes it', async () => {
    const script = { listed: [{ ...listed('k', false), kept: true }] };
    expect((await runIn(['lab', 'status'], script)).out).toMatch(/k +ended, its data is kept/);
    expect((await runIn(['lab', 'down', '--name', 'k'], script)).out).toMatch(
      /its data is kept in \/labs\/k \(--discard/,
    );
    expect((await runIn(['lab', 'down', '--name', 'k', '--discard'], script)).out).toMatch(/nothing of it is left/);
  });

  test('sweeps what a crashed lab left, by its name', async () => {
    expect(await runIn(['lab', 'down', '--name', 'c'], { listed: [listed('c', false)] })).toMatchObject({
      code: 0,
      calls: ['end "c"'],
    });
    expect(await runIn(['lab', 'down', '--name', 'x'], { listed: [] })).toMatchObject({ code: 2, calls: [] });
  });
});

describe('lab fault and heal', () => {
  test('a fault reaches the lab, and its words are printed', async () => {
    const ran = await runIn('lab fault partition north --whole --for 10s --one-way'.split(' '));
    expect(ran).toMatchObject({ code: 0, out: 'north: partition\n' });
    expect(ran.calls).toEqual([
      'open "lab"',
      'fault {"kind":"partition","site":"north","whole":true,"forMs":10000,"oneWay":true}',
      'detach',
    ]);
  });

  test('a gateway is named by its number', async () => {
    expect((await runIn('lab fault gateway-kill north --gateway 2'.split(' '))).calls).toContain(
      'fault {"kind":"gateway-kill","site":"north","gateway":2}',
    );
    expect(await runIn('lab fault kill north --gateway 2'.split(' '))).toMatchObject({ code: 2, calls: [] });
    expect(await runIn('lab fault gateway-hang north --whole'.split(' '))).toMatchObject({ code: 2, calls: [] });
  });

  test('a clock may go back', async () => {
    expect((await runIn('lab fault clock north --amount -60'.split(' '))).calls).toContain(
      'fault {"kind":"clock","site":"north","amount":-60}',
    );
  });

  test('an unknown site is named with the ones there are, and nothing is broken', async () => {
    const ran = await runIn(['lab', 'fault', 'kill', 'nroth']);
    expect(ran).toMatchObject({
      code: 2,
      calls: ['open "lab"', 'detach'],
      told: expect.stringMatching(/no site nroth in this lab\. Its sites are north, south, west/),
    });
    expect((await runIn('lab fault partition --between north,sooth'.split(' '))).told).toMatch(/no site sooth/);
  });

  test('heal takes a site, or all', async () => {
    expect((await runIn(['lab', 'heal', 'west', '--json'])).out).toBe('{"text":"healed"}\n');
    expect((await runIn(['lab', 'heal'])).calls).toEqual(['open "lab"', 'heal "all"', 'detach']);
  });

  test('with several labs the one that is meant must be named', async () => {
    const script = { listed: [listed('a'), listed('b')] };
    expect(await runIn(['lab', 'heal'], script)).toMatchObject({ code: 2, calls: [] });
    expect((await runIn(['lab', 'heal', '--name', 'b'], script)).calls[0]).toBe('open "b"');
  });
});

describe('lab force-primary', () => {
  test('says what it may cost and obeys who types the name of the instance', async () => {
    const ran = await runIn(['lab', 'force-primary', 'south'], { answers: ['south-db-1'] });
    expect(ran.told).toMatch(/acknowledged at north, west .* are given up/);
    expect(ran).toMatchObject({ code: 0, calls: ['open "lab"', 'forcePrimary "south-db-1"', 'detach'] });
  });

  test.each([
    ['another word', ['yes'], []],
    ['nobody to ask', undefined, []],
    ['the wrong instance on the command line', undefined, ['--yes-i-accept-loss', 'north-db-1']],
  ])('%s: nothing is done, code 2', async (_, answers, flags) => {
    const ran = await runIn(['lab', 'force-primary', 'south', ...flags], answers === undefined ? {} : { answers });
    expect(ran).toMatchObject({ code: 2, calls: ['open "lab"', 'detach'] });
  });

  test('the right instance on the command line is as good as typing it', async () => {
    const ran = await runIn(['lab', 'force-primary', 'south', '--yes-i-accept-loss', 'south-db-1']);
    expect(ran).toMatchObject({ code: 0, calls: expect.arrayContaining(['forcePrimary "south-db-1"']) });
  });
});
