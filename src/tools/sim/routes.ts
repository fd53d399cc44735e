/**
 * Which endpoint a method and path mean. What is not here answers 404 not_found_error, as the API does.
 */
import { organizationRateLimits, workspaceRateLimits } from './admin.ts';
import { cancelBatch, deleteBatch, listBatches, resultsOfBatch, retrieveBatch } from './batch-endpoints.ts';
import { createBatch } from './batch-create.ts';
import type { Caller, SimContext } from './context.ts';
import type { SimResponse } from './http.ts';
import { countTokens, createMessage } from './messages.ts';
import { listModels, retrieveModel } from './models.ts';
import type { SimLimits } from './options.ts';

export interface Route {
  /** As the ledger counts it. */
  readonly name: string;
  /** Messages have a latency of their own. */
  readonly isMessage: boolean;
  /** Of the Admin API: for admin keys, and for no others. */
  readonly isAdmin?: true;
  readonly run: Endpoint | undefined;
}

type Endpoint = (context: SimContext, caller: Caller, body: Buffer) => SimResponse | Promise<SimResponse>;

const BATCHES = '/v1/messages/batches';
const UNKNOWN: Route = { name: 'other', isMessage: false, run: undefined };

export function routeOf(method: string, pathWithQuery: string): Route {
  const path = pathWithQuery.split('?', 1)[0] ?? '';
  switch (`${method} ${path}`) {
    case `POST ${BATCHES}`:
      return route('batches.create', createBatch);
    case `GET ${BATCHES}`:
      return route('batches.list', listBatches);
    case 'POST /v1/messages':
      return { name: 'messages.create', isMessage: true, run: createMessage };
    case 'POST /v1/messages/count_tokens':
      return route('messages.count_tokens', countTokens);
    case 'GET /v1/models':
      return route('models.list', listModels);
    case 'GET /v1/organizations/rate_limits':
      return adminRoute('admin.rate_limits', organizationRateLimits);
  }
  return routeWithId(method, path);
}

function routeWithId(method: string, path: string): Route {
  const model = /^\/v1\/models\/([^/]+)$/.exec(path)?.[1];
  if (model !== undefined && method === 'GET') {
    return route('models.retrieve', (context) => retrieveModel(context, decode(model)));
  }
  const workspace = /^\/v1\/organizations\/workspaces\/([^/]+)\/rate_limits$/.exec(path)?.[1];
  if (workspace !== undefined && method === 'GET') {
    return adminRoute('admin.workspace_rate_limits', (context, caller) =>
      workspaceRateLimits(context, caller, decode(workspace)),
    );
  }
  const [, id, action] = /^\/v1\/messages\/batches\/([^/]+)(?:\/(cancel|results))?$/.exec(path) ?? [];
  if (id === undefined) return UNKNOWN;
  const on = (name: string, run: (context: SimContext, caller: Caller, id: string) => SimResponse): Route =>
    route(name, (context, caller) => run(context, caller, decode(id)));
  switch (`${method} ${action ?? ''}`) {
    case 'GET ':
      return on('batches.retrieve', retrieveBatch);
    case 'DELETE ':
      return on('batches.delete', deleteBatch);
    case 'POST cancel':
      return on('batches.cancel', cancelBatch);
    case 'GET results':
      return on('batches.results', resultsOfBatch);
    default:
      return UNKNOWN;
  }
}

function route(name: string, run: Endpoint): Route {
  return { name, isMessage: false, run };
}

function adminRoute(name: string, run: Endpoint): Route {
  return { name, isMessage: false, isAdmin: true, run };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    // A broken escape is no id of anything: it goes on as it is and is not found.
    return part;
  }
}

/** 256 MB for batches, 32 MB for everything else (facts section 2, "Request size"). */
export function bodyBytesMax(limits: SimLimits, path: string): number {
  return path.startsWith(BATCHES) ? limits.batchBytesMax : limits.messageBytesMax;
}
