/** State files as values: what is written is read back, and what is torn or foreign is never guessed. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  combinePosition,
  formatSavedState,
  formatSavedView,
  parseRecoveredPosition,
  parseSavedState,
  parseSavedView,
  zeroGroup,
} from './position.ts';

const group = '5428756f-80c5-4046-996e-99033525e80b';
const other = '0d0c5bd2-7e26-4a91-9c27-2f4b5b6a1111';
const sequences = fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER });

describe('the state file', () => {
  it('is read back as it was written', () => {
    fc.assert(
      fc.property(fc.uuid(), sequences, fc.boolean(), (uuid, sequence, safeToBootstrap) => {
        const state = { group: uuid, sequence, safeToBootstrap };
        expect(parseSavedState(formatSavedState(state))).toEqual(state);
      }),
    );
  });

  it('is undefined when cut off anywhere before its position is complete', () => {
    const text = formatSavedState({ group, sequence: 4711, safeToBootstrap: true });
    const complete = text.indexOf('4711');
    for (let end = 0; end < complete; end += 1) expect(parseSavedState(text.slice(0, end))).toBeUndefined();
  });

  it('never throws, whatever the file holds', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        parseSavedState(text);
        parseSavedView(text);
        parseRecoveredPosition(text);
      }),
    );
  });
});

describe('the saved component', () => {
  it('is read back as it was written', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.uuid(), { minLength: 1, maxLength: 9 }), (members) => {
        const view = { self: members[0] ?? '', members };
        expect(parseSavedView(formatSavedView(view))).toEqual(view);
      }),
    );
  });

  it('is undefined when its end is missing or the instance is no member of it', () => {
    const text = formatSavedView({ self: group, members: [group, other] });
    expect(parseSavedView(text.replace('#vwend', ''))).toBeUndefined();
    expect(parseSavedView(text.replace(`member: ${group} 0\n`, ''))).toBeUndefined();
  });
});

describe('a position', () => {
  it('comes from the recovery run after a crash', () => {
    const crashed = { group, sequence: -1, safeToBootstrap: false };
    expect(combinePosition(crashed, undefined, { group, sequence: 12 })).toMatchObject({ group, sequence: 12 });
  });

  it('is the last one that the recovery run printed', () => {
    const log = `WSREP: Recovered position: ${group}:3\nWSREP: Recovered position: ${group}:15\n`;
    expect(parseRecoveredPosition(log)).toEqual({ group, sequence: 15 });
  });

  it('follows the data where the state file names another group, and is then not safe to start first', () => {
    const wrong = { group: other, sequence: 99, safeToBootstrap: true };
    expect(combinePosition(wrong, undefined, { group, sequence: 7 })).toMatchObject({
      group,
      sequence: 7,
      safeToBootstrap: false,
    });
  });

  it('is that of no data when there is neither file nor recovered position', () => {
    expect(combinePosition(undefined, undefined, undefined)).toMatchObject({ group: zeroGroup, sequence: -1 });
  });
});
