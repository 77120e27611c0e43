/** A script of the bank's own. What it had done when it was interrupted nobody here can know, and that is said. */
import type { ActionOf } from '@coequal/contract';
import { CoequalError } from '@coequal/kernel';
import { type Doing, no, yes } from '../doing.ts';
import type { Script, ScriptHands } from '../ports.ts';

export const scriptRun = (one: ActionOf<'script-run'>, script: Script, hands: ScriptHands): Doing => ({
  class: script.class,
  does: [
    `Runs ${script.path} as ${script.user}, for ${script.timeoutMs / 1_000} s at most (${script.kind}).`,
    script.undo === null ? 'There is no way back.' : `The way back is the script ${script.undo}.`,
  ],
  before: async () => {
    try {
      script.argv(one.arguments);
      await hands.check(script);
      return yes();
    } catch (error) {
      if (error instanceof CoequalError && error.kind !== 'bug') return no(error.message);
      throw error;
    }
  },
  perform: async ({ key, signal, leftMs, step }) => {
    const ends = AbortSignal.any([
      signal,
      AbortSignal.timeout(Math.ceil(Math.max(1, Math.min(script.timeoutMs, leftMs())))),
    ]);
    step('running');
    const { status, tookMs, outputBytes } = await hands.run(script, script.argv(one.arguments), key, ends);
    return { status: status ?? -1, tookMs: Math.round(tookMs), outputBytes };
  },
  after: async (_, result) => {
    if (result === undefined)
      return {
        is: 'between',
        final: true,
        words: 'The script was interrupted; what it had done is to be looked at on its host.',
      };
    const status = result['status'];
    return status === 0
      ? { is: 'done', words: 'The script ended well.' }
      : {
          is: 'between',
          final: true,
          words: `The script ended with ${status === -1 ? 'a signal' : `status ${status}`}.`,
        };
  },
  undo: () => (script.undo === null ? undefined : { ...one, script: script.undo }),
  putsBack: false,
});
