/**
 * The web kit room by room: who is let in, which route a path finds. The server as a whole is under test in
 * test/cli/serve.test.ts.
 */
import type { IncomingMessage } from 'node:http';
import { describe, expect, test } from 'vitest';
import { Guard, isLoopback } from '../../../../src/adapters/web/guard.ts';
import { createRouter } from '../../../../src/adapters/web/router.ts';
import { jsonAnswer, type WebRoute } from '../../../../src/domain/web.ts';

const TOKEN = 'a-token-of-the-tests-0123456789';

function asked(headers: Record<string, string>, method = 'GET'): IncomingMessage {
  return { method, headers } as unknown as IncomingMessage;
}

describe('the guard', () => {
  test.for([
    ['127.0.0.1', true],
    ['127.8.9.1', true],
    ['localhost', true],
    ['::1', true],
    ['0.0.0.0', false],
    ['192.0.2.1', false],
    ['127.evil.example', false],
  ] as const)('%s is this machine only: %s', ([host, only]) => {
    expect(isLoopback(host)).toBe(only);
  });

  test.for([
    ['localhost:1', null],
    ['LOCALHOST', null],
    ['[::1]:7700', null],
    ['evil.example', 421],
    ['localhost.evil.example:7700', 421],
    ['127.0.0.1.evil.example', 421],
    ['evil@localhost', 421],
    ['', 421],
  ] as const)('on this machine "%s" is answered with %s', ([host, status]) => {
    const guard = new Guard({ host: '127.0.0.1', token: TOKEN });
    expect(guard.refusesCaller(asked({ host }))?.status ?? null).toBe(status);
  });

  test('a request without a Host is refused', () => {
    expect(new Guard({ host: '127.0.0.1', token: TOKEN }).refusesCaller(asked({}))?.status).toBe(421);
  });

  test('a visit is a look, not an action', () => {
    const guard = new Guard({ host: '127.0.0.1', token: TOKEN });
    const visit = { host: 'localhost', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' };
    expect(guard.refusesCaller(asked(visit))).toBeNull();
    expect(guard.refusesCaller(asked(visit, 'POST'))?.status).toBe(403);
  });

  test('access: open on this machine, by token elsewhere, by ticket anywhere', () => {
    const here = new Guard({ host: 'localhost', token: TOKEN });
    const wide = new Guard({ host: '0.0.0.0', token: TOKEN });
    expect([here.refusesAccess('open', false), here.refusesAccess('ticket', false)]).toEqual([null, null]);
    expect(here.refusesAccess('token', false)?.status).toBe(401);
    expect([wide.refusesAccess('open', false)?.status, wide.refusesAccess('ticket', false)]).toEqual([401, null]);
    for (const access of ['open', 'token', 'ticket'] as const) expect(wide.refusesAccess(access, true)).toBeNull();
    expect(here.isAuthorized(asked({ authorization: `Bearer ${TOKEN}` }))).toBe(true);
    expect(here.isAuthorized(asked({ authorization: TOKEN }))).toBe(false);
  });
});

describe('the router', () => {
  const answer = (): Promise<ReturnType<typeof jsonAnswer>> => Promise.resolve(jsonAnswer({}));
  const route = (method: 'GET' | 'POST', path: string): WebRoute => ({ method, path, access: 'open', answer });
  const find = createRouter([
    route('GET', '/api/runs/:run'),
    route('POST', '/api/runs/:run/cancel'),
    route('GET', '/api/runs/:run/rows/:row'),
  ]);

  test.for([
    ['GET', '/api/runs/run_1', { run: 'run_1' }],
    ['HEAD', '/api/runs/run_1', { run: 'run_1' }],
    ['GET', '/api/runs/a%2Fb', { run: 'a/b' }],
    ['GET', '/api/runs/run_1/rows/7', { run: 'run_1', row: '7' }],
  ] as const)('%s %s is found', ([method, path, names]) => {
    const found = find(method, path);
    expect(found && 'path' in found ? found.path : found).toEqual(names);
  });

  test.for([
    ['GET', '/api/runs/'],
    ['GET', '/api/runs/%'],
    ['GET', '/api/runs/run_1/'],
    ['GET', '/api'],
  ] as const)('%s %s is nothing', ([method, path]) => {
    expect(find(method, path)).toBeNull();
  });

  test('a path under another method says under which', () => {
    expect(find('DELETE', '/api/runs/run_1/cancel')).toEqual({ allow: ['POST'] });
  });

  test('what is given once is not used up by a look at its headers', () => {
    const once = createRouter([{ ...route('GET', '/api/download/:ticket'), isOnce: true }]);
    expect(once('HEAD', '/api/download/t')).toEqual({ allow: ['GET'] });
    expect(once('GET', '/api/download/t')).toMatchObject({ path: { ticket: 't' } });
  });
});
