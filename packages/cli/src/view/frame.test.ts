/** The live view's frame: what it says, and that it never leaves its terminal. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type FrameInput, renderFrame, sparkline } from './frame.ts';
import { calmSnapshot, troubledSnapshot } from './testing.ts';
import { cut, displayWidth, unpainted } from './text.ts';

const input: FrameInput = {
  columns: 80,
  rows: 24,
  colour: false,
  selected: 0,
  message: null,
  history: new Map([['north', [0, 100, 200, 300, 400]]]),
  help: false,
};

describe('at 80 columns and 24 rows', () => {
  test('a calm lab is shown whole, in the same place every time', () => {
    expect(renderFrame(calmSnapshot, input).join('\n')).toMatchInlineSnapshot(`
      " Coequal · lab lab · full mode · preset default · up 4 min 10 s
       Money: 1,000,000.00 of 1,000,000.00 — exact (1 s ago)
       acknowledged 37,035 · 2,310 looked up at another site, 0 missing
       Connect: user bank, password k3v9xw2p7m, database bank

      ▸1 ● north  serving       412 tx/s                           ▃▅▇█  RTT 5 ms
           max pause 48 ms  p50/p99 3.1/12 ms  errors 0  in doubt 0  conflicts 1,234
           gateways ●●  direct: max pause 61 ms errors 0  replays 0  outcomes 0
           mariadb -h 127.0.0.1 -P 33161 -u bank -p bank

       2 ● south  serving       412 tx/s                                 RTT 5 ms
           max pause 48 ms  p50/p99 3.1/12 ms  errors 0  in doubt 0  conflicts 1,234
           gateways ●●  direct: max pause 61 ms errors 0  replays 0  outcomes 0
           mariadb -h 127.0.0.1 -P 33171 -u bank -p bank

       3 ● west   serving       412 tx/s                                 RTT 5 ms
           max pause 48 ms  p50/p99 3.1/12 ms  errors 0  in doubt 0  conflicts 1,234
           gateways ●●  direct: max pause 61 ms errors 0  replays 0  outcomes 0
           mariadb -h 127.0.0.1 -P 33181 -u bank -p bank

       Latest
              10 s ago  Serving.

       1-9 site  k kill  h hang  p cut  w cut all  x heal  a heal all  ? help  q quit"
    `);
  });

  test('a lab in trouble says so in words and shapes, at the same heights', () => {
    expect(renderFrame(troubledSnapshot, input).join('\n')).toMatchInlineSnapshot(`
      " Coequal · lab lab · full mode · preset default · up 4 min 10 s
       Money: 999,999.00 of 1,000,000.00 — NOT EXACT: money and ledger disagree
       acknowledged 37,035 · 2,310 looked up at another site, 3 missing
       Connect: user bank, password k3v9xw2p7m, database bank

      ▸1 ○ north  gone            0 tx/s                           ▃▅▇█  RTT 5 ms
           max pause 2.0 s  p50/p99 –/– ms  errors 96  in doubt 0  conflicts 1,234
           gateways ●○  direct: max pause 2.0 s errors 12  replays 3  outcomes 2
           ! killed  no answer for 2.0 s  Connection refused.

       2 ✕ south  isolated             –                                 RTT 5 ms
           clients are gone with their site; 12,345 acknowledged before
           gateways ●●  direct: max pause 61 ms errors 0  replays 0  outcomes 0
           mariadb -h 127.0.0.1 -P 33171 -u bank -p bank

       3 ● west   serving                                                RTT 5 ms
           no clients here
           gateways ●●  replays 0  outcomes 0  hidden 68  4 sessions
           mariadb -h 127.0.0.1 -P 33181 -u bank -p bank

       Latest
               2 s ago  north: Hostile [2J text with 中文 and a tab .

       1-9 site  k kill  h hang  p cut  w cut all  x heal  a heal all  ? help  q quit"
    `);
  });

  test('help lists the keys and how to connect to every site', () => {
    const text = renderFrame(calmSnapshot, { ...input, help: true }).join('\n');
    expect(text).toContain('cut the whole site off');
    expect(text).toContain('west      mariadb -h 127.0.0.1 -P 33181 -u bank -p bank');
  });
});

test('nothing moves when something breaks: each site keeps its lines', () => {
  const places = (frame: readonly string[]) =>
    ['north', 'south', 'west'].map((name) => frame.findIndex((line) => new RegExp(`^.[1-3] . ${name}`).test(line)));
  const calm = places(renderFrame(calmSnapshot, input));
  expect(calm).toEqual(places(renderFrame(troubledSnapshot, input)));
  expect(calm.every((line) => line >= 0)).toBe(true);
});

test('colour adds colour and nothing else', () => {
  const coloured = renderFrame(troubledSnapshot, { ...input, colour: true });
  expect(coloured.join('')).toContain('\u001b[');
  expect(coloured.map((line) => unpainted(line).trimEnd())).toEqual(renderFrame(troubledSnapshot, input));
});

test('whatever the size and whatever the lab, no line is too wide, no frame too high, no escape gets through', () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,31}$/);
  const count = fc.integer({ min: 0, max: 10 ** 12 });
  const words = fc.string({ unit: 'binary', maxLength: 120 });
  const template = troubledSnapshot.sites;
  const snapshot = fc
    .record({
      names: fc.uniqueArray(name, { maxLength: 12 }),
      figure: count,
      words,
      faults: fc.array(words, { maxLength: 3 }),
      which: fc.integer({ min: 0, max: 2 }),
    })
    .map(({ names, figure, words, faults, which }) => ({
      ...(which === 0 ? calmSnapshot : troubledSnapshot),
      limits: faults,
      upMs: figure,
      password: words,
      sites: names.map((each, index) => {
        const like = template[index % template.length] ?? calmSnapshot.sites[0];
        if (like === undefined) throw new Error('no template');
        return {
          ...like,
          name: each,
          faults,
          rttMs: figure,
          clients:
            like.clients === null
              ? null
              : { ...like.clients, conflicts: figure, transactionsPerSecond: figure, errors: figure },
        };
      }),
      events: [{ at: 0, site: 'x', text: words }],
    }));
  const size = fc.record({ columns: fc.integer({ min: 1, max: 200 }), rows: fc.integer({ min: 1, max: 60 }) });
  fc.assert(
    fc.property(snapshot, size, fc.boolean(), fc.boolean(), (shown, { columns, rows }, help, colour) => {
      const lines = renderFrame(shown, {
        ...input,
        columns,
        rows,
        help,
        colour,
        message: { text: 'x'.repeat(300), style: 'bad' },
      });
      expect(lines.length).toBeLessThanOrEqual(rows);
      for (const line of lines) {
        expect(displayWidth(unpainted(line))).toBeLessThanOrEqual(columns);
        expect(unpainted(line)).not.toMatch(/\p{Cc}/u);
      }
    }),
  );
});

test('all sites are there on a low terminal, first lines first', () => {
  for (const rows of [3, 4, 6, 9, 12]) {
    const text = renderFrame(calmSnapshot, { ...input, rows }).join('\n');
    for (const name of ['north', 'south', 'west']) expect(text, `${rows} rows`).toContain(name);
  }
});

test('a sparkline shows the last figures against the highest, nothing for nothing', () => {
  expect(sparkline([0, 1, 4, 8], 8, 6)).toBe('   ▂▅█');
  expect(sparkline([1, 2, 3], 3, 2)).toBe('▆█');
  expect(sparkline([], 1, 3)).toBe('   ');
});

test('wide characters count as two cells, and a cut never splits one', () => {
  expect(displayWidth('中文')).toBe(4);
  expect(cut('中文字', 4)).toBe('中…');
  expect(displayWidth('e\u0301')).toBe(1);
});
