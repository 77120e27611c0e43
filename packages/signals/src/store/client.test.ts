/** The client against a server that fails in every way, on a loopback port of its own. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { decodeRemoteWrite, encodeRemoteWrite } from '../remote/remote-write.ts';
import { StoreClient } from './adapters/client.ts';
import { Outbox } from './adapters/outbox.ts';
import { parseStoreAnswer } from './results.ts';
import { sendWaiting } from './sending.ts';

type Answer = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

let server: Server;
let answer: Answer;
let client: StoreClient;
beforeEach(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => answer(request, response, Buffer.concat(chunks)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  client = new StoreClient({ url: `http://127.0.0.1:${address.port}/`, deadlineMs: 500, answerBytes: 10_000 });
});
afterEach(async () => {
  server.closeAllConnections();
  if (!server.listening) return;
  server.close();
  await once(server, 'close');
});

const status =
  (code: number, text = ''): Answer =>
  (_, response) => {
    response.statusCode = code;
    response.end(text);
  };
const body = encodeRemoteWrite([{ name: 'a', labels: [], value: 1, timeMs: 5 }]);

describe('writing', () => {
  test('brings the body as it is, with its headers', async () => {
    let seen: unknown;
    answer = (request, response, bytes) => {
      seen = [request.method, request.url, request.headers['content-encoding'], decodeRemoteWrite(bytes)];
      response.statusCode = 204;
      response.end();
    };
    expect(await client.write(body)).toEqual({ outcome: 'taken' });
    const samples = [{ name: 'a', labels: [], value: 1, timeMs: 5 }];
    expect(seen).toEqual(['POST', '/api/v1/write', 'snappy', { ok: true, samples, left: 0 }]);
  });

  test.each([
    [400, 'refused'],
    [413, 'refused'],
    [429, 'again'],
    [500, 'again'],
    [503, 'again'],
  ])('that is answered %d is %s', async (code, outcome) => {
    answer = status(code, 'because');
    expect(await client.write(body)).toEqual({ outcome, what: `the store answers ${code}: because` });
  });

  test.each<[string, Answer]>([
    ['never answers', () => undefined],
    [
      'stops in the middle of its answer',
      (_, response) => void response.writeHead(200, { 'content-length': '10' }).write('x'),
    ],
    ['cuts the connection', (request) => void request.socket.destroy()],
    ['speaks no HTTP', (request) => void request.socket.end('hello\r\n\r\n')],
    ['answers without end', (_, response) => void response.end('x'.repeat(20_000))],
    ['sends elsewhere', (_, response) => void response.writeHead(302, { location: 'http://127.0.0.1:9/' }).end()],
  ])('to a store that %s is tried again later', async (_, bad) => {
    answer = bad;
    expect(await client.write(body)).toEqual({ outcome: 'again', what: expect.stringMatching(/./) });
  });

  test('to nobody is tried again later', async () => {
    server.close();
    await once(server, 'close');
    expect(await client.write(body)).toMatchObject({ outcome: 'again', what: expect.stringContaining('ECONNREFUSED') });
  });
});

test('what waits is sent in order when the store is back, and what it refuses holds nothing up', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'coequal-send-'));
  try {
    const outbox = await Outbox.open({ folder, limitBytes: 10_000, segmentBytes: 1_000 });
    for (let value = 0; value < 5; value += 1)
      await outbox.append(encodeRemoteWrite([{ name: 'a', labels: [], value, timeMs: 5 }]));
    answer = status(503);
    expect(await sendWaiting(outbox, client)).toMatchObject({
      taken: 0,
      refused: 0,
      stopped: expect.stringContaining('503'),
    });
    expect(outbox.waiting).toBe(5);
    const seen: number[] = [];
    answer = (_, response, bytes) => {
      const decoded = decodeRemoteWrite(bytes);
      const value = decoded.ok ? (decoded.samples[0]?.value ?? -1) : -1;
      seen.push(value);
      response.statusCode = value === 2 ? 400 : 204;
      response.end();
    };
    expect(await sendWaiting(outbox, client)).toEqual({ taken: 4, refused: 1, stopped: undefined });
    expect(seen).toEqual([0, 1, 2, 3, 4]);
    await outbox.close();
  } finally {
    await rm(folder, { recursive: true });
  }
});

describe('asking', () => {
  test('says what and when, and gives series', async () => {
    const seen: string[] = [];
    answer = (request, response, bytes) => {
      seen.push(`${request.url} ${bytes.toString()}`);
      const result = [
        {
          metric: { __name__: 'a', b: 'c' },
          values: [
            [1.5, '2'],
            [2.5, 'NaN'],
          ],
        },
      ];
      response.end(JSON.stringify({ status: 'success', data: { resultType: 'matrix', result }, warnings: ['slow'] }));
    };
    expect(await client.range('rate(a[1m])', 1_500, 2_500, 1_000)).toEqual({
      ok: true,
      series: [
        {
          labels: [
            ['__name__', 'a'],
            ['b', 'c'],
          ],
          timesMs: new Float64Array([1_500, 2_500]),
          values: new Float64Array([2, Number.NaN]),
        },
      ],
      warnings: ['slow'],
    });
    await client.instant('a', 1_500);
    expect(seen).toEqual([
      '/api/v1/query_range query=rate%28a%5B1m%5D%29&start=1.5&end=2.5&step=1',
      '/api/v1/query query=a&time=1.5',
    ]);
  });

  test.each<[string, Answer, string]>([
    [
      'a refusal',
      status(400, '{"status":"error","errorType":"bad_data","error":"no such function"}'),
      'no such function',
    ],
    ['no JSON', status(200, '<html>'), 'it is no JSON'],
    ['an error of a proxy', status(502, '<html>'), 'the store answers 502'],
    ['another shape', status(200, '[]'), 'it is no object'],
    ['no data', status(200, '{"status":"success"}'), 'it has no data'],
    ['another type', status(200, '{"data":{"resultType":"string","result":[1,"x"]}}'), 'type "string" cannot be read'],
    [
      'a broken value',
      status(200, '{"data":{"resultType":"vector","result":[{"metric":{},"value":[1,2]}]}}'),
      'cannot be read',
    ],
    ['nothing in time', () => undefined, 'timeout'],
  ])('is answered with %s in a sentence', async (_, bad, what) => {
    answer = bad;
    expect(await client.instant('a', 0)).toEqual({ ok: false, what: expect.stringContaining(what) });
  });
});

test('an answer of any shape is read or refused', () => {
  expect(parseStoreAnswer('{"data":{"resultType":"scalar","result":[3,"7"]}}')).toMatchObject({
    ok: true,
    series: [{ labels: [], values: new Float64Array([7]) }],
  });
  const kind = fc.constantFrom('vector', 'matrix', 'scalar', 'x');
  fc.assert(
    fc.property(kind, fc.jsonValue(), fc.jsonValue(), (resultType, metric, value) => {
      const result = [{ metric, value, values: value }];
      expect(typeof parseStoreAnswer(JSON.stringify({ data: { resultType, result } })).ok).toBe('boolean');
    }),
  );
});
