/**
 * Who is calling: the key, the organization and workspace behind it, the API version, the betas.
 *
 * Either auth header is taken, and either version (facts section 0). Unknown keys open the default workspace unless
 * the world is told to be strict.
 */
import { API_VERSIONS } from './catalogue.ts';
import type { Caller } from './context.ts';
import { invalidRequest, refusalOf, type SimRequest } from './http.ts';
import type { SimKey, SimSettings } from './options.ts';

export const DEFAULT_ORGANIZATION = '00000000-0000-4000-8000-000000000001';
export const DEFAULT_WORKSPACE = 'wrkspc_default';

/** `isAdmin`: the call is one of the Admin API, which takes admin keys alone; everything else takes all but those. */
export function identify(settings: SimSettings, request: SimRequest, isAdmin = false): Caller {
  const key = keyOf(request);
  if (key === undefined) throw refusalOf(401, 'x-api-key header is required');
  const adminOf = Object.hasOwn(settings.adminKeys, key) ? settings.adminKeys[key] : undefined;
  if (isAdmin && adminOf === undefined) throw notAdmin(key);
  if (!isAdmin && adminOf !== undefined) throw refusalOf(401, 'invalid x-api-key');
  const known = Object.hasOwn(settings.keys, key) ? settings.keys[key] : undefined;
  if (known === undefined && !isAdmin && settings.strictKeys) throw refusalOf(401, 'invalid x-api-key');
  const version = request.headers['anthropic-version'];
  if (version === undefined) throw invalidRequest('anthropic-version: header is required');
  if (!API_VERSIONS.includes(version)) throw invalidRequest(`anthropic-version: "${version}" is not a valid version`);
  const betas = (request.headers['anthropic-beta'] ?? '').split(',').map((beta) => beta.trim());
  const url = new URL(request.path, 'http://sim.local');
  return {
    organization: adminOf ?? known?.organization ?? DEFAULT_ORGANIZATION,
    workspace: workspaceOf(known, request.headers['anthropic-workspace-id']),
    accountProblem: known?.accountProblem,
    version,
    betas: betas.filter((beta) => beta !== ''),
    origin: request.origin ?? `http://${request.headers['host'] ?? 'sim.local'}`,
    path: url.pathname,
    query: url.searchParams,
    signal: request.signal,
  };
}

function notAdmin(key: string): Error {
  if (key.startsWith('sk-ant-admin')) return refusalOf(401, 'invalid x-api-key');
  return refusalOf(403, 'This endpoint requires an Admin API key.');
}

function keyOf(request: SimRequest): string | undefined {
  const bearer = /^Bearer\s+(\S+)$/i.exec(request.headers['authorization'] ?? '');
  const key = bearer?.[1] ?? request.headers['x-api-key'];
  return key === '' ? undefined : key;
}

function workspaceOf(known: SimKey | undefined, asked: string | undefined): string {
  if (asked === undefined || asked === '') return known?.workspace ?? DEFAULT_WORKSPACE;
  if (known === undefined || asked === known.workspace || known.workspaces?.includes(asked) === true) return asked;
  throw refusalOf(403, 'This credential does not have access to the specified workspace.');
}
