/** What all commands have in common. */
import { describe, expect, test } from 'vitest';
import { runIn } from './testing.ts';

const commands = [
  'lab up',
  'lab status',
  'lab down',
  'lab fault',
  'lab heal',
  'lab force-primary',
  'drill',
  'evidence verify',
  'estate validate',
  'estate show',
  'estate schema',
];

test.each(commands)('%s has help with an example and --json', async (command) => {
  const { code, out, told } = await runIn([...command.split(' '), '--help']);
  expect(out).toMatch(new RegExp(`^Usage: coequal ${command} `));
  expect(out).toContain(`Example: coequal ${command}`);
  expect(out).toContain('--json');
  expect({ code, told }).toEqual({ code: 0, told: '' });
});

test('nothing at all shows help, and says where to start', async () => {
  expect(await runIn([])).toMatchObject({ code: 0, out: expect.stringContaining('Start here: coequal lab up') });
});

test.each(['lab', 'estate', 'evidence'])('%s alone names its commands in one line', async (group) => {
  const { code, told } = await runIn([group]);
  expect(told).toMatch(new RegExp(`^coequal: \`coequal ${group}\` needs one of: .* \\[COMMAND_USAGE\\]\\n$`));
  expect(code).toBe(2);
});

describe('failures', () => {
  test('a bug shows where it happened and how to report it, code 2', async () => {
    const start = () => Promise.reject(new TypeError('x is not a function'));
    const { code, told } = await runIn(['lab', 'up'], { start });
    expect(told).toMatch(/bug in Coequal 0\.0\.0 .*CONTRIBUTING\.md[\s\S]*TypeError: x is not a function\n {4}at /);
    expect(code).toBe(2);
  });

  test('control characters of an argument do not reach the terminal', async () => {
    const { told } = await runIn(['\u001b[2Jx']);
    expect(told.trimEnd()).not.toMatch(/\p{Cc}/u);
  });

  test('an interruption ends a command that waits, in one line, code 2', async () => {
    const { code, told } = await runIn(['lab', 'status'], { silent: true }, 'open "lab"');
    expect(told).toMatch(/^coequal: Interrupted\. .*\[INTERRUPTED\]\n$/);
    expect(code).toBe(2);
  });
});
