/** A setting of a running server, from the list of those that may be set (`settable` of the contract). The old value is the way back. */
import { type ActionOf, classOf, refusalOf } from '@coequal/contract';
import { type Doing, no, yes } from '../doing.ts';
import type { InstanceHands } from '../ports.ts';
import { orUnknown } from './instance.ts';

export const settingSet = (one: ActionOf<'setting-set'>, hands: InstanceHands): Doing => {
  const { instance, setting, value, expected } = one;
  // The name is one of a closed list, so it may stand in the text.
  const read = async (): Promise<string> => {
    const [row] = await hands.ask(`SELECT @@GLOBAL.${setting} AS value`);
    return String(Number(row?.['value'] ?? Number.NaN));
  };
  return {
    class: classOf[one.type],
    does: [`Sets ${setting} of ${instance} from ${expected} to ${value}, until it is started again.`],
    before: async () => {
      const refused = refusalOf(setting, value);
      if (refused !== undefined) return no(`${refused}.`);
      const now = await read();
      return now === String(expected) ? yes() : no(`${setting} of ${instance} is ${now}, not ${expected}.`);
    },
    perform: async () => {
      await hands.ask(`SET GLOBAL ${setting} = ?`, [value]);
      return undefined;
    },
    after: async () => {
      const now = await orUnknown(read);
      const words = `${setting} of ${instance} is ${now}.`;
      return { is: now === String(value) ? 'done' : now === String(expected) ? 'untouched' : 'between', words };
    },
    undo: () => ({ type: 'setting-set', instance, setting, value: expected, expected: value }),
    putsBack: true,
  };
};
