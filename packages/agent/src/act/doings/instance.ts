/**
 * What is done to whole instances. None may end the last member that serves, or leave a group without a majority: an instance that says so
 * of itself is believed, and what the others say was asked by whoever made the plan. One that is to stay down is held, so that nobody heals it.
 */
import { type ActionOf, type ActionType, classOf } from '@coequal/contract';
import { serves } from '@coequal/estate';
import { codeOf, fail } from '@coequal/kernel';
import { type Before, type Doing, type Notes, no, type Standing, text, yes } from '../doing.ts';
import type { Holds, InstanceHands, ProcessId, Seen } from '../ports.ts';

/** A server that ends in order writes its pages first. */
const stopMs = 60_000;
/** Members that an order to end one of them needs: two must be left to agree, or the one that is left was told in order. */
const membersToSpare = 2;

type InstanceAction = Extract<ActionType, `instance-${string}`>;
type Context = { readonly hands: InstanceHands; readonly holds: Holds };

const isDown = ({ state }: Seen): boolean => state === 'stopped' || state === 'gone';
const idOf = (one: ProcessId | undefined): string => (one === undefined ? '' : `${one.pid} ${one.startTicks}`);
const said = (name: string, { state, reason }: Seen): string => `${name} is ${state}: ${reason}`;

export const instanceDoing = (one: ActionOf<InstanceAction>, context: Context): Doing => {
  const kept = { class: classOf[one.type], putsBack: false };
  switch (one.type) {
    case 'instance-start':
      return { ...kept, ...starting(context, [`Starts ${one.instance}; it takes from the others what it missed.`]) };
    case 'instance-rejoin':
      return { ...kept, ...rejoining(context) };
    case 'instance-stop':
      return { ...kept, ...stopping(context) };
    case 'instance-restart':
      return { ...kept, ...restarting(context) };
    case 'instance-isolate':
      return { ...kept, ...isolating(context) };
    case 'instance-reprovision':
      return { ...kept, ...reprovisioning(context) };
    case 'instance-desync':
      return { ...kept, ...syncing(context, true), putsBack: true };
    case 'instance-resync':
      return { ...kept, ...syncing(context, false), putsBack: true };
  }
};

type Part = Omit<Doing, 'class' | 'putsBack'>;

/** Whether it was held is part of how it was: somebody who stays down because of a start that failed must not be healed. */
const hold = async ({ hands, holds }: Context, on: boolean): Promise<void> => {
  if (holds.has(hands.name) !== on) await holds.set(hands.name, on);
};
const wasHeld = (notes: Notes): boolean => notes['held'] === true;

const servingAfter = async (context: Context, notes: Notes): Promise<Standing> => {
  const { hands } = context;
  const seen = await hands.observe();
  const words = said(hands.name, seen);
  if (serves(seen.state)) {
    await hold(context, false);
    return { is: 'done', words };
  }
  if (!isDown(seen)) return { is: 'between', words };
  await hold(context, wasHeld(notes));
  return { is: 'untouched', words };
};

const starting = (context: Context, does: readonly string[]): Part => {
  const { hands, holds } = context;
  return {
    does,
    before: async () => {
      const seen = await hands.observe();
      if (!isDown(seen) || hands.process() !== undefined) return no(`It is not down. ${said(hands.name, seen)}`);
      return (await branch(hands)) ?? yes({ held: holds.has(hands.name) });
    },
    perform: async ({ leftMs, signal, step }) => {
      await holds.set(hands.name, false);
      step('starting');
      await orAbort(hands.join(leftMs()), signal);
      return undefined;
    },
    after: (notes) => servingAfter(context, notes),
    undo: () => ({ type: 'instance-stop', instance: hands.name }),
  };
};

const branch = async (hands: InstanceHands): Promise<Before | undefined> =>
  (await hands.holdsOldBranch())
    ? no(`${hands.name} holds data that the others went on without: it has to be re-provisioned.`)
    : undefined;

const rejoining = (context: Context): Part => {
  const { hands, holds } = context;
  return {
    does: [`Ends ${hands.name} where it still runs outside of its group, starts it, and waits until it serves.`],
    before: async () => {
      const seen = await hands.observe();
      if (serves(seen.state) && !holds.has(hands.name)) return no(`It is in its group. ${said(hands.name, seen)}`);
      if (hands.process() === undefined) {
        const old = await branch(hands);
        if (old !== undefined) return old;
      }
      return yes({ process: idOf(hands.process()), held: holds.has(hands.name) });
    },
    perform: async ({ leftMs, signal, step }) => {
      if (hands.process() !== undefined) {
        step('ending what still runs');
        await orAbort(hands.stop(Math.min(stopMs, leftMs())), signal);
      }
      await holds.set(hands.name, false);
      step('starting');
      await orAbort(hands.join(leftMs()), signal);
      return undefined;
    },
    after: async (notes) => otherProcessServes(context, notes),
    undo: () => ({ type: 'instance-isolate', instance: hands.name }),
  };
};

const otherProcessServes = async (context: Context, notes: Notes): Promise<Standing> => {
  const { hands } = context;
  const seen = await hands.observe();
  const words = said(hands.name, seen);
  const isSame = idOf(hands.process()) === text(notes, 'process');
  if (serves(seen.state) && !isSame) {
    await hold(context, false);
    return { is: 'done', words };
  }
  if (!isSame) return { is: 'between', words };
  await hold(context, wasHeld(notes));
  return { is: 'untouched', words };
};

/** Whether the group can do without it. One that does not answer is no member for the others. */
const canGo = (hands: InstanceHands, seen: Seen): Before | undefined => {
  const { members } = seen;
  if (!serves(seen.state)) return undefined;
  if (members === undefined || members < membersToSpare)
    return no(`${hands.name} is the last member that serves. ${said(hands.name, seen)}`);
  return undefined;
};

const stopping = ({ hands, holds }: Context): Part => ({
  does: [`Ends ${hands.name} in order, and keeps it down. Its sessions move to the other instances.`],
  before: async () => {
    const seen = await hands.observe();
    if (isDown(seen) && hands.process() === undefined) return no(`It is down. ${said(hands.name, seen)}`);
    return canGo(hands, seen) ?? yes({ process: idOf(hands.process()), held: holds.has(hands.name) });
  },
  perform: async ({ leftMs, step }) => {
    // Held first: whoever finds it down must know that it is meant to be.
    await holds.set(hands.name, true);
    step('ending in order');
    await hands.stop(Math.min(stopMs, Math.max(1, leftMs() - 1_000)));
    return undefined;
  },
  after: (notes) => downAfter({ hands, holds }, notes),
  undo: () => ({ type: 'instance-start', instance: hands.name }),
});

const downAfter = async (context: Context, notes: Notes): Promise<Standing> => {
  const { hands } = context;
  const seen = await hands.observe();
  const words = said(hands.name, seen);
  if (hands.process() === undefined && isDown(seen)) {
    // Killed between both: down is what was asked for, and so is staying down.
    await hold(context, true);
    return { is: 'done', words };
  }
  // One that does not serve may have been asked to end already.
  if (idOf(hands.process()) !== text(notes, 'process') || !serves(seen.state)) return { is: 'between', words };
  await hold(context, wasHeld(notes));
  return { is: 'untouched', words };
};

const restarting = (context: Context): Part => {
  const { hands, holds } = context;
  return {
    does: [`Ends ${hands.name} (in order for a minute, then by force), starts it, and waits until it serves.`],
    before: async () => {
      const seen = await hands.observe();
      if (holds.has(hands.name)) return no(`${hands.name} is meant to be down.`);
      if (isDown(seen)) return no(`It does not run: start it. ${said(hands.name, seen)}`);
      return canGo(hands, seen) ?? yes({ process: idOf(hands.process()), held: holds.has(hands.name) });
    },
    perform: async ({ leftMs, signal, step }) => {
      step('ending');
      await orAbort(hands.stop(Math.min(stopMs, leftMs() / 2)), signal);
      step('starting');
      await orAbort(hands.join(leftMs()), signal);
      return undefined;
    },
    after: async (notes) => otherProcessServes(context, notes),
    undo: () => undefined,
  };
};

const isolating = ({ hands, holds }: Context): Part => ({
  does: [
    `Ends ${hands.name} for certain, so that it can acknowledge nothing any more, and keeps it down.`,
    'What it had acknowledged is at the others.',
  ],
  before: async () => {
    const seen = await hands.observe();
    if (isDown(seen) && hands.process() === undefined) return no(`It is down. ${said(hands.name, seen)}`);
    return canGo(hands, seen) ?? yes({ process: idOf(hands.process()), held: holds.has(hands.name) });
  },
  perform: async ({ step }) => {
    await holds.set(hands.name, true);
    step('ending by force');
    await hands.fence();
    return undefined;
  },
  after: (notes) => downAfter({ hands, holds }, notes),
  undo: () => ({ type: 'instance-rejoin', instance: hands.name }),
});

const reprovisioning = (context: Context): Part => {
  const { hands, holds } = context;
  return {
    does: [
      `Ends ${hands.name} and puts its data aside, beside its folder.`,
      'Starts it empty: it takes a whole copy from another instance, which may be slow or blocked meanwhile.',
    ],
    before: async () => {
      const seen = await hands.observe();
      return canGo(hands, seen) ?? yes({ process: idOf(hands.process()), held: holds.has(hands.name) });
    },
    perform: async ({ leftMs, signal, step }) => {
      await holds.set(hands.name, true);
      step('ending');
      await hands.stop(Math.min(stopMs, leftMs() / 2));
      signal.throwIfAborted();
      step('putting its data aside');
      await hands.putDataAside();
      await holds.set(hands.name, false);
      step('taking a whole copy');
      await orAbort(hands.join(leftMs()), signal);
      return { aside: true };
    },
    // Only who came to the end knows that the data is a new one: a start after an interruption may have been of the old.
    after: async (_, result) => {
      const seen = await hands.observe();
      const words = said(hands.name, seen);
      if (result !== undefined && serves(seen.state)) return { is: 'done', words };
      return { is: 'between', words: `Whether its data was put aside is to be looked at on its host. ${words}` };
    },
    undo: () => undefined,
  };
};

const syncing = ({ hands }: Context, desync: boolean): Part => {
  const read = async (): Promise<string> => {
    const [row] = await hands.ask("SHOW GLOBAL VARIABLES LIKE 'wsrep_desync'");
    return String(row?.['Value'] ?? '');
  };
  const [from, to] = desync ? (['OFF', 'ON'] as const) : (['ON', 'OFF'] as const);
  return {
    does: [
      desync
        ? `The group no longer waits for ${hands.name}; it falls behind, and reads there wait for it.`
        : `The group waits for ${hands.name} again.`,
    ],
    before: async () => {
      const seen = await hands.observe();
      if (!serves(seen.state)) return no(`It does not serve. ${said(hands.name, seen)}`);
      const value = await read();
      return value === from ? yes() : no(`wsrep_desync of ${hands.name} is ${value}, not ${from}.`);
    },
    perform: async () => {
      await hands.ask(`SET GLOBAL wsrep_desync = ${to}`);
      return undefined;
    },
    after: async () => {
      const value = await orUnknown(read);
      const words = `wsrep_desync of ${hands.name} is ${value}.`;
      return { is: value === to ? 'done' : value === from ? 'untouched' : 'between', words };
    },
    undo: () => ({ type: desync ? 'instance-resync' : 'instance-desync', instance: hands.name }),
  };
};

/** An instance that does not answer has no standing: that is an answer too. */
export const orUnknown = async (read: () => Promise<string>): Promise<string> => {
  try {
    return await read();
  } catch (error) {
    return `unknown (${codeOf(error) ?? 'it did not answer'})`;
  }
};

/** Ends the waiting with the signal; what was waited for goes on, and the check afterwards says what became of it. */
const orAbort = async <T>(promise: Promise<T>, signal: AbortSignal): Promise<T> => {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const listener = (): void => aborted.reject(signal.reason ?? fail('INTERRUPTED', {}));
  signal.addEventListener('abort', listener, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', listener);
    promise.catch(() => undefined);
    aborted.promise.catch(() => undefined);
  }
};
