/**
 * The simulated API: takes HTTP requests as values and answers them, deterministically from a seed and a clock.
 *
 * It is the independent judge of what the API accepts: it shares no code with the rest of batchrun but src/base.
 * Two skins make it reachable: server.ts on a socket, fetch.ts in memory. Tests steer it (faults, rates) and
 * question its ledger, which knows what really happened. test/contract/simulator-sdk.test.ts drives it with the SDK.
 */
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import { createBatchStore } from './batch-store.ts';
import { createRateLimiter } from './buckets.ts';
import { DEFAULT_ORGANIZATION, identify } from './caller.ts';
import type { Caller, SimContext } from './context.ts';
import { createDraws, drawBetween, makeId } from './draw.ts';
import { decodeBody } from './encoding.ts';
import { createFaultBox, type FaultName, type FaultRates, type FaultScript } from './faults.ts';
import { addForeign, type ForeignBatch } from './foreign.ts';
import { errorBody, noAnswer, Refusal, refusalOf, tooLargeResponse } from './http.ts';
import type { SimRequest, SimRequestHead, SimResponse } from './http.ts';
import { createLedger, type SimLedger } from './ledger.ts';
import { createLimitsBook } from './limits-book.ts';
import { DEFAULT_RATES, resolveOptions, type AccountProblem } from './options.ts';
import type { SimLimitsPart, SimOptions, SimRates } from './options.ts';
import { createPromptCache } from './prompt-cache.ts';
import { restoreBatch, type RestoredBatch } from './restore.ts';
import { bodyBytesMax, routeOf, type Route } from './routes.ts';

export interface SimWorld {
  /** Answers one request. Never rejects; what goes wrong is in the answer. */
  handle(request: SimRequest): Promise<SimResponse>;
  /** Asked by a skin when only the headers are there: an answer means that the body is not wanted. */
  open(head: SimRequestHead): SimResponse | undefined;
  /** A body without a length grew beyond this: answer with `tooLarge`. */
  bodyBytesMax(path: string): number;
  tooLarge(): SimResponse;
  /** The next `times` occasions of this fault fire, whatever its rate. */
  failNext(fault: FaultName, times?: number): void;
  /** Asked at every occasion of every fault; undefined takes it away. */
  script(script: FaultScript | undefined): void;
  /** Replaces all rates of faults: `setFaults({})` heals the world. */
  setFaults(rates: FaultRates): void;
  /** For batches made and messages sent from now on. */
  setRates(rates: Partial<SimRates>): void;
  setAccountProblem(problem: AccountProblem | undefined): void;
  /** From now on, for one organization or for all that were given none of their own: buckets keep what is in them. */
  setLimits(limits: SimLimitsPart, organization?: string): void;
  /** A batch of somebody else in the same workspace; answers its id. */
  addForeignBatch(batch: ForeignBatch): string;
  /** A batch that was made before this world was, under the id and time that a state folder remembers. */
  restoreBatch(batch: RestoredBatch): void;
  readonly ledger: SimLedger;
  /** How often each fault has fired. */
  readonly faultsFired: ReadonlyMap<FaultName, number>;
}

export function createSimWorld(options: SimOptions, clock: Clock): SimWorld {
  const context = createContext(options, clock);
  return {
    handle: (request) => handle(context, request),
    open: (head) => open(context, head),
    bodyBytesMax: (path) => bodyBytesMax(context.limits.base(), path),
    tooLarge: () => tooLarge(context),
    failNext: (fault, times = 1) => context.faults.failNext(fault, times),
    script: (script) => context.faults.script(script),
    setFaults: (rates) => context.faults.setRates(rates),
    setRates: (rates) => {
      context.current.rates = { ...context.current.rates, ...rates };
    },
    setAccountProblem: (problem) => {
      context.current.accountProblem = problem;
    },
    setLimits: (limits, organization) => {
      context.limiter.settle(clock.now());
      context.limits.set(limits, organization);
    },
    addForeignBatch: (batch) => addForeign(context, batch),
    restoreBatch: (batch) => restoreBatch(context, batch),
    ledger: context.ledger,
    faultsFired: context.faults.fired,
  };
}

function createContext(options: SimOptions, clock: Clock): SimContext {
  const settings = resolveOptions(options);
  const draws = createDraws(settings.seed);
  const view = { settings, draws, clock };
  const ordinals = new Map<string, number>();
  const limits = createLimitsBook(settings.limits, settings.keys, settings.workspaceLimits, DEFAULT_ORGANIZATION);
  const ledger = createLedger(view);
  return {
    ...view,
    faults: createFaultBox(draws, options.faults ?? {}, () => clock.now()),
    limits,
    limiter: createRateLimiter({ limits, switches: settings.switches, book: ledger.rateBook }),
    cache: createPromptCache(settings.textBytes),
    ledger,
    batches: createBatchStore(view),
    current: { rates: { ...DEFAULT_RATES, ...options.rates }, accountProblem: options.accountProblem },
    nextOrdinal(purpose) {
      const ordinal = ordinals.get(purpose) ?? 0;
      ordinals.set(purpose, ordinal + 1);
      return ordinal;
    },
  };
}

async function handle(context: SimContext, request: SimRequest): Promise<SimResponse> {
  const ordinal = context.nextOrdinal('request');
  const requestId = makeId('req', context.settings.seed, ordinal);
  if ((request.body?.length ?? 0) > bodyBytesMax(context.limits.base(), request.path)) return tooLarge(context);
  let headers: Readonly<Record<string, string>> = { 'request-id': requestId };
  // The time of the answer, not of the question: what a list shows is as new as the date that it bears.
  const dated = (): Readonly<Record<string, string>> => ({
    date: new Date(context.clock.now()).toUTCString(),
    ...headers,
  });
  const route = routeOf(request.method, request.path);
  context.ledger.noteCall(route.name);
  try {
    const caller = identify(context.settings, request, route.isAdmin === true);
    if (context.settings.switches.identityHeaders) {
      headers = {
        ...headers,
        'anthropic-organization-id': caller.organization,
        'anthropic-workspace-id': caller.workspace,
      };
    }
    const response = await answer(context, caller, route, request, ordinal);
    return response.status === 413 ? response : { ...response, headers: { ...dated(), ...response.headers } };
  } catch (thrown) {
    // Anything else is a bug of the simulator: a loud 500, so that no test waits for an answer that never comes.
    const error = thrown instanceof Refusal ? thrown : refusalOf(500, `simulator bug: ${messageOf(thrown)}`);
    context.ledger.noteRefusal(error.status, error.type);
    return {
      status: error.status,
      headers: { 'content-type': 'application/json', ...dated(), ...error.headers },
      body: [errorBody(error, requestId)],
    };
  }
}

async function answer(
  context: SimContext,
  caller: Caller,
  route: Route,
  request: SimRequest,
  ordinal: number,
): Promise<SimResponse> {
  const { settings, clock } = context;
  if (route.run === undefined) throw refusalOf(404, 'Not Found');
  if (!route.isMessage) {
    await clock.sleep(drawBetween(context.draws('call_latency', ordinal), settings.latencyMs), request.signal);
  }
  const isBatch = route.name.startsWith('batches.');
  const taken = isBatch ? context.limiter.takeBatchCall(caller, clock.now()) : {};
  const rateHeaders = settings.switches.rateHeadersOnBatches ? taken : {};
  try {
    const response = await route.run(context, caller, decodeBody(context, request, isBatch));
    return { ...response, headers: { ...rateHeaders, ...response.headers } };
  } catch (thrown) {
    if (thrown instanceof Refusal) throw thrown.withHeaders(rateHeaders);
    throw thrown;
  }
}

function open(context: SimContext, head: SimRequestHead): SimResponse | undefined {
  const length = Number(head.headers['content-length'] ?? 0);
  if (length > bodyBytesMax(context.limits.base(), head.path)) return tooLarge(context);
  const isCreate = routeOf(head.method, head.path).name === 'batches.create';
  return isCreate && context.faults.fires('create.reset_upload', head.path) ? noAnswer('reset') : undefined;
}

function tooLarge(context: SimContext): SimResponse {
  context.ledger.noteRefusal(413, 'request_too_large');
  return tooLargeResponse();
}
