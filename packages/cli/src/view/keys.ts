/** What keys mean: a pure step from the view's state and a key to the next state and what is to be done. */
import type { Fault } from '@coequal/proof';
import type { Style } from './text.ts';

export type ViewState = {
  readonly selected: number;
  readonly help: boolean;
  /** The view has asked whether to end the lab. */
  readonly quitting: boolean;
  readonly message: { readonly text: string; readonly style: Style } | null;
};

export const firstViewState: ViewState = { selected: 0, help: false, quitting: false, message: null };

export type ViewAction =
  | { readonly kind: 'fault'; readonly fault: Fault }
  | { readonly kind: 'heal'; readonly site?: string }
  | { readonly kind: 'quit' };

export type Step = { readonly state: ViewState; readonly action?: ViewAction };

/** Splits what the keyboard sent into keys: a pasted or queued burst is several. Unknown sequences are one key, unused. */
export const keysOf = (input: string): readonly string[] => input.match(oneKey) ?? [];

const escapeCode = '\u001b';
const oneKey = new RegExp(`${escapeCode}\\[[0-9;]*[A-Za-z~]|${escapeCode}O[A-Za-z]|[\\s\\S]`, 'gu');

export const pressKey = (state: ViewState, key: string, sites: readonly string[]): Step => {
  if (key === '\u0003') return { state, action: { kind: 'quit' } };
  if (state.quitting) return answerQuit(state, key);
  const site = sites[state.selected];
  const chosen = /^[1-9]$/.test(key) ? Number(key) - 1 : undefined;
  if (chosen !== undefined)
    return { state: chosen < sites.length ? { ...state, selected: chosen, message: null } : state };
  if (key === '\u001b' && state.help) return { state: { ...state, help: false } };
  const step = moves[key];
  if (step !== undefined)
    return { state: { ...state, selected: wrap(state.selected + step, sites.length), message: null } };
  switch (key) {
    case '?':
      return { state: { ...state, help: !state.help } };
    case 'q':
      return { state: { ...state, quitting: true, message: { text: 'End the lab? y/n', style: 'strong' } } };
    case 'a':
      return { state: said(state, 'Healing every site …'), action: { kind: 'heal' } };
    default:
      return site === undefined ? { state } : siteKey(state, key, site);
  }
};

const moves: Readonly<Record<string, number>> = {
  '\u001b[A': -1,
  '\u001b[D': -1,
  '\u001bOA': -1,
  '\u001b[B': 1,
  '\u001b[C': 1,
  '\u001bOB': 1,
  '\t': 1,
};

const wrap = (index: number, count: number): number => (count === 0 ? 0 : (index + count) % count);

const said = (state: ViewState, text: string): ViewState => ({
  ...state,
  help: false,
  message: { text, style: 'plain' },
});

const siteKey = (state: ViewState, key: string, site: string): Step => {
  const break_ = (words: string, fault: Omit<Fault, 'site'>): Step => ({
    state: said(state, `${words} …`),
    action: { kind: 'fault', fault: { ...fault, site } },
  });
  switch (key) {
    case 'k':
      return break_(`Killing the database of ${site}`, { kind: 'kill' });
    case 's':
      return break_(`Stopping the database of ${site}`, { kind: 'stop' });
    case 'h':
      return break_(`Hanging the database of ${site}`, { kind: 'hang' });
    case 'p':
      return break_(`Cutting off the database of ${site}`, { kind: 'partition' });
    case 'w':
      return break_(`Cutting off all of ${site}`, { kind: 'partition', whole: true });
    case 'g':
      return break_(`Killing the first gateway of ${site}`, { kind: 'gateway-kill', gateway: 1 });
    case 'x':
      return { state: said(state, `Healing ${site} …`), action: { kind: 'heal', site } };
    default:
      return { state };
  }
};

const answerQuit = (state: ViewState, key: string): Step =>
  key === 'y' || key === 'Y'
    ? { state, action: { kind: 'quit' } }
    : { state: { ...state, quitting: false, message: null } };
