/** What keys mean in `coequal top`: a pure step from a state and a key to the next state. */

export type TopState = {
  /** Name of the instance that is looked at. */
  readonly selected: string | undefined;
  readonly panel: 'overview' | 'sessions' | 'locks' | 'statements';
  readonly help: boolean;
};

export const firstTopState: TopState = { selected: undefined, panel: 'overview', help: false };

const panels: Readonly<Record<string, TopState['panel']>> = {
  s: 'sessions',
  l: 'locks',
  t: 'statements',
  o: 'overview',
  '\u001b': 'overview',
};

const moves: Readonly<Record<string, number>> = {
  '\u001b[A': -1,
  '\u001bOA': -1,
  k: -1,
  '\u001b[B': 1,
  '\u001bOB': 1,
  j: 1,
  '\t': 1,
};

/** Undefined: quit. @param instances in the order in which they are shown */
export const pressTopKey = (state: TopState, key: string, instances: readonly string[]): TopState | undefined => {
  if (key === '\u0003' || key === 'q') return undefined;
  if (key === '?') return { ...state, help: !state.help };
  if (state.help) return { ...state, help: false };
  const move = moves[key];
  if (move !== undefined) return { ...state, selected: moved(state.selected, move, instances) };
  const panel = panels[key];
  if (panel === undefined) return state;
  // A panel is of one instance: the worst one, when none was chosen.
  return { ...state, panel, selected: state.selected ?? instances[0] };
};

const moved = (selected: string | undefined, by: number, instances: readonly string[]): string | undefined => {
  if (instances.length === 0) return undefined;
  const index = selected === undefined ? -1 : instances.indexOf(selected);
  if (index < 0) return by > 0 ? instances[0] : instances.at(-1);
  return instances[(index + by + instances.length) % instances.length];
};
