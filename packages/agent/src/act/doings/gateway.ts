/** Draining a gateway of this host, or one instance of it, and taking that back. */
import { type ActionOf, classOf } from '@coequal/contract';
import { type Doing, no, yes } from '../doing.ts';
import type { GatewayHands } from '../ports.ts';

export const gatewayDrain = (one: ActionOf<'gateway-drain' | 'gateway-undrain'>, hands: GatewayHands): Doing => {
  const on = one.type === 'gateway-drain';
  const instance = one.instance ?? null;
  const what = instance === null ? hands.name : `${instance} at ${hands.name}`;
  const is = (drained: boolean): string => `${what} is ${drained ? '' : 'not '}drained.`;
  return {
    class: classOf[one.type],
    does: [
      on
        ? `Sessions leave ${what} when they are between transactions, and none comes any more.`
        : `Sessions may go to ${what} again.`,
    ],
    before: async () => ((await hands.isDrained(instance)) === on ? no(is(on)) : yes()),
    perform: async ({ step }) => {
      step(on ? 'draining' : 'opening');
      await hands.drain(instance, on);
      return undefined;
    },
    after: async () => {
      const drained = await hands.isDrained(instance);
      return { is: drained === on ? 'done' : 'untouched', words: is(drained) };
    },
    undo: () => ({
      type: on ? 'gateway-undrain' : 'gateway-drain',
      gateway: one.gateway,
      ...(one.instance === undefined ? {} : { instance: one.instance }),
    }),
    putsBack: true,
  };
};
