import { describe, expect, test } from 'vitest';
import { parseAssignment, parseReport } from './protocol.ts';

const endpoint = {
  instance: 'n-1',
  site: 'n',
  host: '10.77.1.1',
  port: 3306,
  user: 'u',
  password: 'p',
  database: 'bank',
};
const assignment = {
  site: 'n',
  endpoints: [endpoint],
  options: { seed: 1, connections: 2, accounts: 10, ledgerPath: '/l', statementMs: 100 },
};

describe('what the clients are told', () => {
  test('is read as it was sent', () => {
    expect(parseAssignment(JSON.stringify(assignment))).toEqual(assignment);
  });

  test.each([
    ['nothing', ''],
    ['no endpoint', JSON.stringify({ ...assignment, endpoints: [] })],
    ['an endpoint without a port', JSON.stringify({ ...assignment, endpoints: [{ ...endpoint, port: '3306' }] })],
    ['no seed', JSON.stringify({ ...assignment, options: { ...assignment.options, seed: undefined } })],
    ['null', 'null'],
  ])('is refused when it is %s', (_, line) => {
    expect(() => parseAssignment(line)).toThrow(expect.objectContaining({ code: 'COMMAND_USAGE' }));
  });

  test('is not mistaken for a report', () => {
    expect(parseReport(JSON.stringify(assignment))).toBeUndefined();
    expect(parseReport('{"type":"rep')).toBeUndefined();
  });
});
