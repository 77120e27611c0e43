/**
 * The live view on a terminal: snapshots in, frames out, keys to actions. It owns the screen while it runs and gives
 * it back in every case. It decides nothing about the lab: quitting is the caller's to carry out.
 */
import { CoequalError, reasonOf } from '@coequal/kernel';
import type { LabHandle, LabSnapshot } from '@coequal/lab';
import { aborted } from '../interruption.ts';
import type { Terminal } from '../world.ts';
import { type FrameInput, renderFrame } from './frame.ts';
import { firstViewState, keysOf, pressKey, type ViewAction, type ViewState } from './keys.ts';

export type LiveInput = {
  readonly handle: Pick<LabHandle, 'watch' | 'fault' | 'heal'>;
  readonly terminal: Terminal;
  readonly colour: boolean;
  readonly interrupted: AbortSignal;
};

/** Seconds that the small charts look back. */
const historySeconds = 60;

/** Runs until the user quits or the signal is aborted; rejects with LAB_ENDED when the lab ends by itself. */
export const runLiveView = async ({ handle, terminal, colour, interrupted }: LiveInput): Promise<void> => {
  const quit = new AbortController();
  const screen = makeScreen(terminal, colour);
  const obey = (action: ViewAction): void => {
    if (action.kind === 'quit') {
      quit.abort();
      return;
    }
    const answer = action.kind === 'fault' ? handle.fault(action.fault) : handle.heal(action.site);
    answer.then(
      ({ text }) => screen.say({ text, style: 'plain' }),
      (error: unknown) => screen.say({ text: failureWords(error), style: 'bad' }),
    );
  };
  terminal.enter();
  const stopInput = terminal.onInput((text) => {
    for (const key of keysOf(text)) {
      const action = screen.press(key);
      if (action !== undefined) obey(action);
    }
  });
  const stopResize = terminal.onResize(screen.draw);
  try {
    const end = AbortSignal.any([quit.signal, interrupted]);
    await Promise.race([handle.watch(screen.show, end), aborted(end)]);
  } finally {
    stopInput();
    stopResize();
    terminal.leave();
  }
};

const failureWords = (error: unknown): string =>
  error instanceof CoequalError ? `${error.message} ${error.advice}` : reasonOf(error);

type Screen = {
  readonly show: (snapshot: LabSnapshot) => void;
  readonly press: (key: string) => ViewAction | undefined;
  readonly say: (message: ViewState['message']) => void;
  readonly draw: () => void;
};

const makeScreen = (terminal: Terminal, colour: boolean): Screen => {
  let state = firstViewState;
  let latest: LabSnapshot | undefined;
  let sampledAt = Number.NEGATIVE_INFINITY;
  const history = new Map<string, readonly number[]>();
  const draw = (): void => {
    if (latest === undefined) return;
    const frame: FrameInput = { ...terminal.size(), colour, history, ...state };
    const lines = renderFrame(latest, frame);
    // Each line is overwritten and its rest erased, then everything below: no flicker, and nothing stays behind.
    terminal.write(`\u001b[H${lines.map((line) => `${line}\u001b[K`).join('\r\n')}\u001b[J`);
  };
  return {
    draw,
    show: (snapshot) => {
      latest = snapshot;
      if (snapshot.at - sampledAt >= 950) {
        sampledAt = snapshot.at;
        for (const { name, clients } of snapshot.sites)
          history.set(name, [...(history.get(name) ?? []), clients?.transactionsPerSecond ?? 0].slice(-historySeconds));
      }
      state = { ...state, selected: Math.min(state.selected, Math.max(0, snapshot.sites.length - 1)) };
      draw();
    },
    press: (key) => {
      const step = pressKey(state, key, latest?.sites.map(({ name }) => name) ?? []);
      state = step.state;
      draw();
      return step.action;
    },
    say: (message) => {
      if (!state.quitting) state = { ...state, message };
      draw();
    },
  };
};
