/** The live view with a terminal and a lab of the test's own: it shows, obeys, and always gives the screen back. */
import { fail } from '@coequal/kernel';
import type { LabHandle, LabSnapshot } from '@coequal/lab';
import type { Fault } from '@coequal/proof';
import { expect, test } from 'vitest';
import type { Terminal } from '../world.ts';
import { runLiveView } from './live.ts';
import { calmSnapshot } from './testing.ts';

const makeTerminal = () => {
  const log: string[] = [];
  let listener: (text: string) => void = () => undefined;
  const terminal: Terminal = {
    enter: () => void log.push('enter'),
    leave: () => void log.push('leave'),
    size: () => ({ columns: 80, rows: 24 }),
    write: (text) => void log.push(text),
    onInput: (given) => {
      listener = given;
      return () => {
        log.push('input off');
      };
    },
    onResize: () => () => {
      log.push('resize off');
    },
  };
  return {
    terminal,
    log,
    type: (text: string) => listener(text),
    screen: () => log.filter((line) => line.includes('\u001b[H')).at(-1) ?? '',
  };
};

const makeLab = () => {
  const faults: Fault[] = [];
  const heals: (string | undefined)[] = [];
  let show: (snapshot: LabSnapshot) => void = () => undefined;
  let end: (error: Error) => void = () => undefined;
  const handle: Pick<LabHandle, 'watch' | 'fault' | 'heal'> = {
    watch: (onSnapshot) => {
      show = onSnapshot;
      onSnapshot(calmSnapshot);
      return new Promise((_, reject) => {
        end = reject;
      });
    },
    fault: async (fault) => {
      faults.push(fault);
      if (fault.kind === 'hang')
        throw fail('FAULT_IMPOSSIBLE', { fault: 'hang', reason: 'it is gone', advice: 'Heal it first.' });
      return { text: `${fault.site} was broken` };
    },
    heal: async (site) => {
      heals.push(site);
      return { text: 'healed' };
    },
  };
  return { handle, faults, heals, show: (snapshot: LabSnapshot) => show(snapshot), end: (error: Error) => end(error) };
};

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

test('shows the lab, obeys keys, says what came of it, and gives the screen back on quitting', async () => {
  const screen = makeTerminal();
  const lab = makeLab();
  const running = runLiveView({
    handle: lab.handle,
    terminal: screen.terminal,
    colour: false,
    interrupted: new AbortController().signal,
  });
  expect(screen.log[0]).toBe('enter');
  expect(screen.screen()).toContain('exact');
  screen.type('2k');
  expect(lab.faults).toEqual([{ kind: 'kill', site: 'south' }]);
  await settled();
  expect(screen.screen()).toContain('south was broken');
  screen.type('h');
  await settled();
  expect(screen.screen()).toContain('Heal it first.');
  screen.type('a');
  expect(lab.heals).toEqual([undefined]);
  screen.type('qy');
  await running;
  expect(screen.log.slice(-3)).toEqual(['input off', 'resize off', 'leave']);
});

test('gives the screen back when the lab ends by itself, and tells why', async () => {
  const screen = makeTerminal();
  const lab = makeLab();
  const running = runLiveView({
    handle: lab.handle,
    terminal: screen.terminal,
    colour: false,
    interrupted: new AbortController().signal,
  });
  lab.end(fail('LAB_ENDED', { name: 'lab', reason: 'killed.', log: 'x' }));
  await expect(running).rejects.toThrow(/ended: killed/);
  expect(screen.log.at(-1)).toBe('leave');
});

test('ends when it was interrupted before it began', async () => {
  const screen = makeTerminal();
  await runLiveView({
    handle: makeLab().handle,
    terminal: screen.terminal,
    colour: false,
    interrupted: AbortSignal.abort(),
  });
  expect(screen.log.at(-1)).toBe('leave');
});

test('draws charts of one figure a second, however often snapshots come', () => {
  const screen = makeTerminal();
  const lab = makeLab();
  void runLiveView({
    handle: lab.handle,
    terminal: screen.terminal,
    colour: false,
    interrupted: new AbortController().signal,
  });
  for (let half = 1; half <= 6; half += 1) lab.show({ ...calmSnapshot, at: calmSnapshot.at + half * 500 });
  const north =
    screen
      .screen()
      .split('\r\n')
      .find((line) => line.includes('north')) ?? '';
  expect(north.match(/█/g)).toHaveLength(4);
});
