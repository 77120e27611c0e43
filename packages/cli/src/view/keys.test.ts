/** Keys of the live view. */
import { describe, expect, test } from 'vitest';
import { firstViewState, keysOf, pressKey, type ViewAction, type ViewState } from './keys.ts';

const sites = ['north', 'south', 'west'];

const type = (text: string): { state: ViewState; actions: ViewAction[] } => {
  let state = firstViewState;
  const actions: ViewAction[] = [];
  for (const key of keysOf(text)) {
    const step = pressKey(state, key, sites);
    state = step.state;
    if (step.action !== undefined) actions.push(step.action);
  }
  return { state, actions };
};

describe('choosing a site', () => {
  test.each([
    ['2', 1],
    ['9', 0],
    ['\u001b[B\u001b[B', 2],
    ['\u001b[B\u001b[B\u001b[B', 0],
    ['\u001b[A', 2],
    ['\t', 1],
  ])('%j selects site %i', (text, selected) => {
    expect(type(text).state.selected).toBe(selected);
  });
});

describe('breaking and healing', () => {
  test.each([
    ['2k', { kind: 'fault', fault: { kind: 'kill', site: 'south' } }],
    ['s', { kind: 'fault', fault: { kind: 'stop', site: 'north' } }],
    ['3h', { kind: 'fault', fault: { kind: 'hang', site: 'west' } }],
    ['p', { kind: 'fault', fault: { kind: 'partition', site: 'north' } }],
    ['w', { kind: 'fault', fault: { kind: 'partition', site: 'north', whole: true } }],
    ['2x', { kind: 'heal', site: 'south' }],
    ['a', { kind: 'heal' }],
  ])('%s', (text, action) => {
    expect(type(text).actions).toEqual([action]);
  });

  test('without sites there is nothing to break', () => {
    expect(pressKey(firstViewState, 'k', [])).toEqual({ state: firstViewState });
  });
});

describe('ending', () => {
  test('q asks, y ends, anything else goes on and is not taken for a command', () => {
    expect(type('q').actions).toEqual([]);
    expect(type('q').state.message?.text).toMatch(/y\/n/);
    expect(type('qy').actions).toEqual([{ kind: 'quit' }]);
    expect(type('qk').actions).toEqual([]);
    expect(type('qk').state).toEqual(firstViewState);
  });

  test('Ctrl-C ends at once, also while the question is open', () => {
    expect(type('\u0003').actions).toEqual([{ kind: 'quit' }]);
    expect(type('q\u0003').actions).toEqual([{ kind: 'quit' }]);
  });
});

test('? shows help; ? or Escape leaves it', () => {
  expect(type('?').state.help).toBe(true);
  expect(type('??').state.help).toBe(false);
  expect(type('?\u001b').state.help).toBe(false);
});

test('an unknown sequence does nothing, rather than what its letters mean', () => {
  expect(type('\u001b[15~\u001b[1;5C\u001bOP').actions).toEqual([]);
  expect(type('z!\u001b').state).toEqual(firstViewState);
});
