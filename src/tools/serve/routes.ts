/**
 * What the page of a state can be asked (.github/docs/serve.md lists it). Looks are open; ids, prompts, answers, saved
 * files and everything that acts need the token.
 */
import { BatchrunError } from '../../base/errors.ts';
import { jsonAnswer, refusal, type WebAccess, type WebAnswer, type WebCall, type WebRoute } from '../../domain/web.ts';
import { viewRun } from '../../engine/views/status.ts';
import { viewEvent } from '../progress/view.ts';
import { viewChunk, viewChunks } from './chunk-grid.ts';
import type { Downloads } from './downloads.ts';
import { pageOfFailures, reasonsOf } from './failures.ts';
import type { Watch } from './feed.ts';
import { possibleFor } from './possible.ts';
import { settingsOf } from './run-settings.ts';
import { readTexts, viewRow } from './row-view.ts';
import { openRun, type OpenedRun, type ServeState } from './state.ts';
import { RETRY_STATES, type RetryState, type ServeTasks } from './tasks.ts';
import { viewTimeline } from './timeline.ts';

export interface ServeParts {
  readonly state: ServeState;
  readonly watch: Watch;
  readonly tasks: ServeTasks;
  readonly downloads: Downloads;
  readonly version: string;
  /** Nobody but this machine reaches the page. */
  readonly isLocal: boolean;
}

const LOG_PAGE_MAX = 500;
const LOG_PAGE = 100;
const ROWS_PAGE = 50;

type Answer = (opened: OpenedRun, call: WebCall) => Promise<WebAnswer>;

export function serveRoutes(parts: ServeParts): WebRoute[] {
  return [session(parts), ...looks(parts), ...texts(parts), ...actions(parts), ...saving(parts)];
}

function session({ state, tasks, version, isLocal }: ServeParts): WebRoute {
  const answer = (call: WebCall): Promise<WebAnswer> =>
    Promise.resolve(
      jsonAnswer({
        version,
        // Where a state lies is nobody's affair who may not look into it.
        state: isLocal || call.isAuthorized ? state.folder : null,
        authorized: call.isAuthorized,
        reading: isLocal || call.isAuthorized,
        missing: call.isAuthorized ? tasks.missing : null,
      }),
    );
  return { method: 'GET', path: '/api/session', access: 'ticket', answer };
}

/** Routes of one run. */
function ofRun({ state }: ServeParts, access: WebAccess) {
  return (method: WebRoute['method'], path: string, answer: Answer): WebRoute => ({
    method,
    path: `/api/runs/:run${path}`,
    access,
    answer: async (call) => answer(await openRun(state, call.path['run']), call),
  });
}

function looks(parts: ServeParts): WebRoute[] {
  const { state, watch, tasks, downloads } = parts;
  const get = ofRun(parts, 'open').bind(null, 'GET');
  return [
    get('', async (opened) => {
      const view = await viewRun(opened.ledger, opened.run);
      const driver = (await watch.look())?.driver ?? null;
      return jsonAnswer({
        run: view,
        settings: settingsOf(opened.run),
        reasons: reasonsOf(view),
        possible: possibleFor(view, { driver, missing: tasks.missing }),
        saving: await downloads.offers(opened),
      });
    }),
    get('/chunks', async (opened) => jsonAnswer(await viewChunks(opened))),
    get('/chunks/:chunk', async (opened, call) => jsonAnswer(await viewChunk(opened, numberOf(call.path['chunk'])))),
    get('/timeline', async ({ ledger, run }) => {
      const { samples } = await watch.history(ledger, run);
      return jsonAnswer(viewTimeline(samples));
    }),
    get('/reasons', async ({ ledger, run }) => jsonAnswer({ reasons: reasonsOf(await viewRun(ledger, run)) })),
    get('/failures', async (opened, { query, isAuthorized }) => {
      const reason = query.get('reason') ?? '';
      const limit = query.has('limit') ? numberOf(query.get('limit')) : ROWS_PAGE;
      const asked = { reason, after: query.get('after'), limit, withNames: isAuthorized };
      return jsonAnswer(await pageOfFailures(opened, state.files, asked));
    }),
    get('/rows/:row', async (opened, { path, isAuthorized }) =>
      jsonAnswer(await viewRow(opened, state.files, numberOf(path['row']), isAuthorized)),
    ),
    get('/log', async ({ ledger, run }, { query }) => {
      const limit = Math.min(LOG_PAGE_MAX, query.has('limit') ? numberOf(query.get('limit')) : LOG_PAGE);
      const before = query.get('before');
      const events = await ledger.events(run.id, {
        limit,
        newest: true,
        ...(before === null ? {} : { beforeId: numberOf(before) }),
      });
      return jsonAnswer({ events: events.map(viewEvent), more: events.length === limit });
    }),
  ];
}

function texts(parts: ServeParts): WebRoute[] {
  const get = ofRun(parts, 'token').bind(null, 'GET');
  return [
    get('/rows/:row/texts', async (opened, { path }) =>
      jsonAnswer(await readTexts(opened, parts.state.files, numberOf(path['row']))),
    ),
  ];
}

function actions(parts: ServeParts): WebRoute[] {
  const { watch, tasks } = parts;
  const post = ofRun(parts, 'token').bind(null, 'POST');
  /** Where it is not possible, the page says why. */
  const possible = async (opened: OpenedRun, action: 'cancel' | 'collect' | 'retry'): Promise<WebAnswer | null> => {
    const driver = (await watch.look())?.driver ?? null;
    const view = await viewRun(opened.ledger, opened.run);
    const { possible: can, says } = possibleFor(view, { driver, missing: tasks.missing })[action];
    return can ? null : refusal(409, says.join(' '));
  };
  return [
    post('/cancel', async (opened) => {
      const cannot = await possible(opened, 'cancel');
      return cannot ?? jsonAnswer({ task: tasks.cancel(opened.run.id) }, 202);
    }),
    post('/collect', async (opened) => {
      const cannot = await possible(opened, 'collect');
      return cannot ?? jsonAnswer({ task: tasks.collect(opened.run.id) }, 202);
    }),
    post('/retry', async (opened, { body }) => {
      const states = statesIn(body['states']);
      const cannot = await possible(opened, 'retry');
      return cannot ?? jsonAnswer({ task: tasks.retry(opened.run.id, states, body['drive'] !== false) }, 202);
    }),
    {
      method: 'POST',
      path: '/api/tasks/:task/stop',
      access: 'token',
      answer: (call) =>
        Promise.resolve(
          tasks.stop(numberOf(call.path['task']))
            ? jsonAnswer({ stopped: true }, 202)
            : refusal(409, 'that command has ended already'),
        ),
    },
  ];
}

function saving(parts: ServeParts): WebRoute[] {
  const { downloads } = parts;
  const post = ofRun(parts, 'token').bind(null, 'POST');
  return [
    post('/downloads', ({ run }, { body }) => {
      const ticket = downloads.ask(run.id, body['what'], body['format']);
      return Promise.resolve(jsonAnswer({ path: `/api/download/${ticket}` }, 201));
    }),
    {
      method: 'GET',
      path: '/api/download/:ticket',
      access: 'ticket',
      isOnce: true,
      answer: async ({ path }) =>
        (await downloads.take(path['ticket'] ?? '')) ??
        refusal(410, 'this download was used already, or is too old', 'Ask for it again in the page.'),
    },
  ];
}

function statesIn(value: unknown): readonly RetryState[] {
  const states = Array.isArray(value) ? RETRY_STATES.filter((state) => value.includes(state)) : [];
  if (states.length > 0) return states;
  throw new BatchrunError('E_USAGE', `retry needs states; there are ${RETRY_STATES.join(', ')}`);
}

/** A count from a path or a query. Throws E_USAGE. */
function numberOf(text: string | null | undefined): number {
  if (text !== null && text !== undefined && /^\d{1,15}$/.test(text)) return Number(text);
  throw new BatchrunError('E_USAGE', 'a number is missing in the address');
}
