import { describe, expect, test } from 'vitest';
import type { Reconciliation } from '../bank/reconcile.ts';
import { listed, money, type VerdictInput, verdictOf } from './words.ts';

const nothingWrong: Reconciliation = {
  acknowledged: 10,
  refused: 0,
  conflicts: 0,
  failed: 0,
  inDoubt: 0,
  decided: 0,
  answered: 0,
  misjudged: 0,
  lost: 0,
  doubled: 0,
  diverged: 0,
  damaged: 0,
  unexplained: 0,
  balanceExact: true,
  rpo: { transactions: 0, amount: 0 },
  findings: [],
};
const site = (name: string, longestPauseMs: number, faulted = false) => ({
  name,
  faulted,
  longestPauseMs,
  longestWaitMs: longestPauseMs,
  errors: 0,
  conflicts: 0,
  inDoubt: 0,
  direct: null,
  reconnects: 0,
  acknowledged: 5,
  errorsByCode: {},
});
const killed: VerdictInput = {
  name: 'site-kill',
  found: nothingWrong,
  problems: [],
  checks: [],
  faults: [
    {
      faults: [{ kind: 'kill', site: 'north', whole: true }],
      atMs: 0,
      healedAtMs: null,
      detectMs: null,
      evictMs: null,
      rejoinMs: null,
      pausesMs: {},
      waitsMs: {},
      directPausesMs: {},
      directWaitsMs: {},
    },
  ],
  sites: [site('north', 9_000, true), site('south', 600), site('east', 550)],
  promised: [site('south', 600), site('east', 550)],
  commits: { faults: 1, inFlight: 0, onVictims: 0, acknowledged: 0, refused: 0, inDoubt: 0, decided: 0 },
  batch: null,
  recoveryMs: null,
};

describe('a verdict', () => {
  test('of a clean drill is what customers felt', () => {
    expect(verdictOf(killed)).toBe(
      'Nothing was lost. North was killed; customers of South and East waited 600 ms at most and saw no error.',
    );
  });

  test('says a loss first, with the money', () => {
    const found = { ...nothingWrong, lost: 3, rpo: { transactions: 3, amount: 41_250 } };
    expect(verdictOf({ ...killed, found })).toMatch(/^3 acknowledged transactions lost \(412\.50 in money\)\. /);
  });

  test('never says that nothing was lost when something could not be checked', () => {
    expect(verdictOf({ ...killed, problems: ['South-1 could not be read.'] })).toMatch(
      /^The drill proves nothing: .* South-1 could not be read\./,
    );
  });
});

test('lists and money read as people write them', () => {
  expect([[], ['a'], ['a', 'b'], ['a', 'b', 'c']].map(listed)).toEqual(['', 'a', 'a and b', 'a, b and c']);
  expect([0, 5, 123_456, -250].map(money)).toEqual(['0.00', '0.05', '1,234.56', '−2.50']);
});
