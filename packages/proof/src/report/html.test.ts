import { seededRandom } from '@coequal/kernel';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import type { DrillReport } from '../drills/report.ts';
import { runDrill } from '../drills/run.ts';
import { simulatedArena } from '../testing/simulated-arena.ts';
import { virtualClock } from '../testing/virtual-clock.ts';
import { niceCeiling } from './charts.ts';
import { reportHtml } from './html.ts';
import { html } from './markup.ts';

let report: DrillReport;

beforeAll(async () => {
  const clock = virtualClock();
  const arena = simulatedArena(clock, seededRandom(3));
  const options = {
    seed: 3,
    seconds: 12,
    via: 'direct' as const,
    connections: 2,
    ratePerSecond: 20,
    accounts: 20,
    initialBalance: 50_000,
    statementMs: 1_000,
    ledgerFolder: '/ledgers',
    command: 'coequal drill instance-kill --seed 3',
  };
  report = (await clock.run(runDrill(arena.tools, 'instance-kill', options))).report;
  await clock.run(arena.settled());
});

describe('the page of a report', () => {
  test('begins with the verdict, and holds a chart of every site', () => {
    const page = reportHtml(report);
    expect(page).toContain(`<h1>${report.verdict.replaceAll("'", '&#39;')}</h1>`);
    expect(page.match(/<svg/g)).toHaveLength(3);
    expect(page).toContain('coequal drill instance-kill --seed 3');
    expect(page).not.toMatch(/NaN|undefined|Infinity|\[object/);
  });

  test('fetches nothing and runs nothing', () => {
    const page = reportHtml(report);
    expect(page).not.toMatch(/<script|<link|<img|https?:|url\(|\son\w+=/i);
  });

  test('shows hostile texts as texts', () => {
    const hostile = '<img src=x onerror="alert(1)">';
    const page = reportHtml({
      ...report,
      verdict: hostile,
      machine: hostile,
      problems: [hostile],
      versions: { [hostile]: hostile },
    });
    expect(page).not.toContain('<img');
    expect(page).toContain('&lt;img src=x onerror=&quot;alert(1)&quot;&gt;');
  });

  test('shows what was felt through gateways beside what was felt directly, and what was in flight', async () => {
    const clock = virtualClock();
    const arena = simulatedArena(clock, seededRandom(4));
    const load = { connections: 2, ratePerSecond: 20, accounts: 20, initialBalance: 50_000, statementMs: 1_000 };
    const options = {
      ...load,
      seed: 4,
      seconds: 12,
      via: 'gateway' as const,
      beside: { connections: 1, ratePerSecond: 10 },
      faults: 2,
      batch: { rows: 10 },
      ledgerFolder: '/ledgers',
      command: 'coequal drill single-faults',
    };
    const through = (await clock.run(runDrill(arena.tools, 'single-faults', options))).report;
    await clock.run(arena.settled());
    const page = reportHtml({
      ...through,
      commits: { ...through.commits, inFlight: 12, onVictims: 5 },
      batch: {
        rows: 1_000_000,
        rule: 'refuse',
        site: 'north',
        outcome: 'refused',
        reason: '<too large>',
        tookMs: 12,
        p99BeforeMs: 10,
        p99DuringMs: 12,
        ratio: 1.2,
        longestPauseMs: null,
        changedRows: {},
      },
    });
    expect(page.match(/<td>through gateways<\/td>/g)).toHaveLength(3);
    expect(page.match(/<td>directly<\/td>/g)).toHaveLength(3);
    expect(page).toContain('12 at 2 faults, 5 of them where it broke');
    expect(page).toContain('&lt;too large&gt;');
    expect(page).toMatch(/Through gateways<\/td><td class="number">2</);
    expect(page).not.toMatch(/NaN|undefined|Infinity|\[object/);
  });

  test('draws a load that nobody had', () => {
    const idle = report.timeline.map((timeline) => ({ ...timeline, seconds: [], longestPause: null, acknowledged: 0 }));
    expect(reportHtml({ ...report, timeline: idle })).not.toMatch(/NaN|Infinity/);
  });
});

test('no value can leave its place in a template', () => {
  fc.assert(
    fc.property(fc.string(), (value) => {
      expect(html`<p title="${value}">${value}</p>`.markup).toMatch(/^<p title="[^"<>]*">[^<>]*<\/p>$/);
    }),
  );
});

test('axes end at round numbers', () => {
  expect([0.3, 1, 7, 12, 450].map(niceCeiling)).toEqual([0.5, 1, 10, 20, 500]);
});
