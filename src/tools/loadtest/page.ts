/**
 * The live page of a load test as the web server sees it: a feed of snapshots, and routes that change the load or stop it.
 * Looking is free on this machine; steering needs the token, and never lifts a bound that was given.
 */
import { jsonAnswer, refusal, type WebAnswer, type WebFeed, type WebMessage, type WebRoute } from '../../domain/web.ts';
import type { LoadControl } from './live.ts';
import { verdictText } from './thresholds.ts';
import type { LoadView } from './view.ts';

/** More users than this are a mistake in typing. */
const USERS_MAX = 10_000;
const RATE_MAX = 10_000;

export interface LoadPageParts {
  readonly control: LoadControl;
  readonly version: string;
  readonly isLocal: boolean;
}

export const LOAD_PAGE_FILES: Readonly<Record<string, string>> = {
  '/': 'loadtest.html',
  '/style.css': 'style.css',
  '/icon.svg': 'icon.svg',
  ...Object.fromEntries(
    [
      'api.js',
      'charts.js',
      'dom.js',
      'format.js',
      'load-figures.js',
      'load-outcome.js',
      'load-steering.js',
      'loadtest.js',
      'stream.js',
    ].map((name) => [`/${name}`, name]),
  ),
};

export function loadPageRoutes({ control, version, isLocal }: LoadPageParts): WebRoute[] {
  const post = (path: string, answer: (body: Readonly<Record<string, unknown>>) => WebAnswer): WebRoute => ({
    method: 'POST',
    path,
    access: 'token',
    answer: ({ body }) => Promise.resolve(answer(body)),
  });
  return [
    {
      method: 'GET',
      path: '/api/session',
      access: 'ticket',
      answer: ({ isAuthorized }) =>
        Promise.resolve(
          jsonAnswer({
            version,
            authorized: isAuthorized,
            reading: isLocal || isAuthorized,
            state: null,
            missing: null,
          }),
        ),
    },
    {
      method: 'GET',
      path: '/api/snapshot',
      access: 'open',
      answer: () => Promise.resolve(jsonAnswer(control.snapshot())),
    },
    post('/api/users', ({ users }) => {
      const { settings, state } = control.snapshot();
      if (settings.load !== 'closed') return refusal(409, 'this test has arrivals, not users: change the rate');
      if (state !== 'running') return refusal(409, 'the test is over');
      if (!isCount(users, USERS_MAX)) return refusal(400, `users is a whole number from 1 to ${USERS_MAX}`);
      control.setUsers(users);
      return jsonAnswer({ users });
    }),
    post('/api/rate', ({ per_second: rate }) => {
      const { settings, state } = control.snapshot();
      if (settings.load !== 'open') return refusal(409, 'this test has users, not arrivals: change the users');
      if (state !== 'running') return refusal(409, 'the test is over');
      if (typeof rate !== 'number' || !(rate > 0) || rate > RATE_MAX) {
        return refusal(400, `per_second is a number above 0, up to ${RATE_MAX}`);
      }
      control.setRate(rate);
      return jsonAnswer({ per_second: rate });
    }),
    post('/api/stop', () => {
      control.stop();
      return jsonAnswer({ stopped: true }, 202);
    }),
  ];
}

/** What the test came to, as the page shows it. */
export interface LoadOutcome {
  readonly findings: readonly string[];
  readonly thresholds: readonly { readonly failed: boolean; readonly text: string }[];
}

export function loadOutcome({ findings, thresholds }: Pick<LoadView, 'findings' | 'thresholds'>): LoadOutcome {
  return { findings, thresholds: thresholds.map((one) => ({ failed: one.failed, text: verdictText(one) })) };
}

/**
 * The whole snapshot each second: it is small, and whoever comes late has all of it. `outcome` is null until the test is
 * over.
 */
export function loadPageFeed(control: LoadControl, outcome: () => LoadOutcome | null): WebFeed {
  return {
    path: '/api/stream',
    access: 'open',
    begin: () => {
      let shown = '';
      let isTold = false;
      return () => {
        const value = control.snapshot();
        const text = JSON.stringify(value);
        const messages: WebMessage[] = text === shown ? [] : [{ event: 'snapshot', value }];
        shown = text;
        const ended = outcome();
        if (ended !== null && !isTold) messages.push({ event: 'outcome', value: ended });
        isTold = ended !== null;
        return Promise.resolve(messages);
      };
    },
  };
}

function isCount(value: unknown, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= max;
}
