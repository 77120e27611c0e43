import { expect, test } from 'vitest';
import { runnerFor } from './run.ts';

const runner = runnerFor({ path: () => undefined, environment: { TOLD: 'yes' } }, { PATH: process.env['PATH'] });

test('a program gets its input and its environment, and answers with its output', async () => {
  expect(await runner.run(['cat'], { input: 'a\nb' })).toBe('a\nb');
  expect(await runner.run(['printenv', 'TOLD'])).toBe('yes\n');
});

test('arguments are arguments, whatever is in them', async () => {
  expect(await runner.run(['printf', '%s', '$(id); "x"'])).toBe('$(id); "x"');
});

test('a failed program is an error with its own words', async () => {
  await expect(runner.run(['ls', '/nowhere/at/all'])).rejects.toMatchObject({
    code: 'PROGRAM_FAILED',
    message: expect.stringContaining('No such file'),
  });
});

test('a program that is not there is named', async () => {
  await expect(runner.run(['coequal-no-such-program'])).rejects.toMatchObject({ code: 'PROGRAM_MISSING' });
});

test('a program that does not end is ended', async () => {
  const result = await runner.attempt(['sleep', '600'], { deadlineMs: 50 });
  expect(result.status).toBe('SIGKILL');
  expect(result.stderr).toMatch(/without an end/);
});

test('a program that does not read its input is no error of ours', async () => {
  expect((await runner.attempt(['true'], { input: 'x'.repeat(1_000_000) })).status).toBe(0);
});
