/** The frame of `coequal top`: never wider or higher than the terminal, the worst first, and words for what is not known. */
import { describe, expect, test } from 'vitest';
import { displayWidth, unpainted } from './text.ts';
import { renderTop, type TopInput, topLines } from './top-frame.ts';
import { firstTopState, pressTopKey } from './top-keys.ts';
import { topData, topDetail, topNowMs } from './top-testing.ts';

const input = (more: Partial<TopInput> = {}): TopInput => ({
  ...{ ...firstTopState, columns: 80, rows: 40, colour: false, nowMs: topNowMs, problem: undefined },
  ...more,
});

describe('a frame', () => {
  test.each([
    [80, 24],
    [80, 60],
    [200, 50],
    [40, 10],
    [20, 3],
  ])('of %i columns and %i rows fits', (columns, rows) => {
    for (const panel of ['overview', 'sessions', 'locks', 'statements'] as const)
      for (const help of [false, true])
        for (const colour of [false, true]) {
          const lines = renderTop(
            topData(topDetail),
            input({ columns, rows, panel, selected: 'north-db-1', help, colour }),
          );
          expect(lines).toHaveLength(rows);
          for (const line of lines) expect(displayWidth(unpainted(line)), line).toBeLessThanOrEqual(columns);
        }
  });

  test('tells the sentence, the incident and the worst instance first', () => {
    const lines = renderTop(topData(), input());
    expect(lines[1]).toMatch(/^ ✖ Since 12:00:00 UTC commits at south wait/);
    const text = lines.join('\n');
    expect(text).toMatch(/2 min ✖ Idle transaction holds locks: instance north-db-1/);
    expect(text.indexOf('south-db-1')).toBeLessThan(text.indexOf('north-db-1  serving'));
    expect(text).toMatch(/✖ {2}south-db-1 {2}no answer +– +– +– +–/);
    expect(text).toMatch(/bank +degraded +2 of 3 +812 +12 ms +0/);
  });

  test('at 200 columns says why', () => {
    expect(renderTop(topData(), input({ columns: 200 })).join('\n')).toContain('south-1  south-db-1 does not answer');
    expect(renderTop(topData(), input()).join('\n')).not.toContain('HOST     WHY');
  });

  test('says what is old, and why nothing new comes', () => {
    const later = renderTop(topData(), input({ nowMs: topNowMs + 60_000, problem: 'The platform does not answer.' }));
    expect(later[0]).toContain('as of 1 min ago');
    expect(later[1]).toBe(' The platform does not answer.');
    expect(renderTop(undefined, input())[1]).toBe(' Asking the platform …');
  });

  test('shows sessions, locks and statements of the chosen instance, without what drives a terminal', () => {
    const shown = (panel: TopInput['panel']) =>
      renderTop(topData(topDetail), input({ panel, selected: 'north-db-1', columns: 120, rows: 50 })).join('\n');
    expect(shown('sessions')).toMatch(/▲ +7 +app +10\.0\.0\.5 +38 s +38 s +Sleep/);
    expect(shown('sessions')).not.toContain('\u001b');
    expect(shown('locks')).toMatch(/session 7 app@10\.0\.0\.5: Sleep, transaction of 38 s\n +└ session 9/);
    expect(shown('statements')).toMatch(/3\.4 s +12 +1,200,000 +12 +12 +SELECT \* FROM account/);
    expect(renderTop(topData(), input({ panel: 'locks', selected: 'north-db-1' })).join('\n')).toContain(
      'Nothing is told of the sessions',
    );
  });
});

test('once, every thing is on a line of its own', () => {
  const text = topLines(topData(), topNowMs).join('\n');
  for (const name of ['bank', 'north-db-1', 'south-gate', 'west-1', 'Idle transaction']) expect(text).toContain(name);
  expect(text).not.toContain('q quit');
});

describe('keys', () => {
  const names = ['a', 'b', 'c'];
  const press = (keys: readonly string[]) =>
    keys.reduce<ReturnType<typeof pressTopKey>>(
      (state, key) => (state === undefined ? undefined : pressTopKey(state, key, names)),
      firstTopState,
    );

  test('choose instances and panels, and quit', () => {
    expect(press(['j'])?.selected).toBe('a');
    expect(press(['\u001b[A'])?.selected).toBe('c');
    expect(press(['j', 'j', 'j', 'j'])?.selected).toBe('a');
    expect(press(['t'])).toMatchObject({ panel: 'statements', selected: 'a' });
    expect(press(['j', 'j', 'l', '\u001b'])).toMatchObject({ panel: 'overview', selected: 'b' });
    expect(press(['?', 'x'])).toEqual(firstTopState);
    expect(press(['q'])).toBeUndefined();
    expect(press(['\u0003'])).toBeUndefined();
    expect(pressTopKey(firstTopState, 'j', [])?.selected).toBeUndefined();
  });
});
