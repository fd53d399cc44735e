/**
 * Who may ask. Three things are looked at, in this order: that the browser meant this server (`Host`, against names that
 * were made to point here), that no other site asks through it (`Origin`, `Sec-Fetch-Site`), and the token. On this
 * machine a look is free and the rest needs the token; a server that is reached from elsewhere wants it for everything
 * but the page's own files, which hold no data.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import type { WebAccess } from '../../domain/web.ts';

export interface GuardOptions {
  /** Where the server listens, as the user named it. */
  readonly host: string;
  readonly token: string;
}

export interface Refused {
  readonly status: number;
  readonly message: string;
  readonly hint: string;
}

const LOOPBACK_NAMES = new Set(['localhost', '127.0.0.1', '[::1]', '::1']);

/** Is this address reached from this machine only? */
export function isLoopback(host: string): boolean {
  return LOOPBACK_NAMES.has(host.toLowerCase()) || /^127\.\d+\.\d+\.\d+$/.test(host);
}

export class Guard {
  readonly #host: string;
  readonly #hash: Buffer;

  constructor({ host, token }: GuardOptions) {
    this.#host = host;
    this.#hash = hashOf(token);
  }

  /** Of every request, for files too. Null where it may go on. */
  refusesCaller(request: IncomingMessage): Refused | null {
    const { host, origin } = request.headers;
    const name = host === undefined ? null : nameOf(host);
    if (name === null || !this.#isOurName(name)) {
      const message = 'this server does not go by that name';
      return { status: 421, message, hint: 'Open the address that `batchrun serve` printed.' };
    }
    if (origin !== undefined && originHost(origin) !== host?.toLowerCase()) return ELSEWHERE;
    const site = request.headers['sec-fetch-site'];
    // A link from another page may lead here; nothing else of another site may.
    if (site !== undefined && site !== 'same-origin' && site !== 'none' && !isVisit(request)) return ELSEWHERE;
    return null;
  }

  isAuthorized(request: IncomingMessage): boolean {
    const sent = /^Bearer ([\x21-\x7e]+)$/.exec(request.headers.authorization ?? '')?.[1];
    // Hashes are of one length, whatever was sent.
    return sent !== undefined && timingSafeEqual(hashOf(sent), this.#hash);
  }

  refusesAccess(access: WebAccess, isAuthorized: boolean): Refused | null {
    if (isAuthorized || access === 'ticket' || (access === 'open' && isLoopback(this.#host))) return null;
    const hint = 'Open the address that `batchrun serve` printed: the token is behind its #.';
    return { status: 401, message: 'this needs the token', hint };
  }

  #isOurName(name: string): boolean {
    if (LOOPBACK_NAMES.has(name) || isLoopback(name)) return true;
    if (isLoopback(this.#host)) return false;
    // Addresses cannot be made to point elsewhere; of names only our own.
    const bare = name.replace(/^\[|\]$/g, '');
    return isIP(bare) !== 0 || name === this.#host.toLowerCase() || name === hostname().toLowerCase();
  }
}

const ELSEWHERE: Refused = { status: 403, message: 'another site asks', hint: 'Only the page itself may ask here.' };

function isVisit(request: IncomingMessage): boolean {
  return request.method === 'GET' && request.headers['sec-fetch-mode'] === 'navigate';
}

/** `localhost:7700` and `[::1]:7700` without the port; null where it is none of these. */
function nameOf(host: string): string | null {
  return /^(\[[0-9a-f:.]+\]|[^:/@\s]+)(?::\d+)?$/i.exec(host)?.[1]?.toLowerCase() ?? null;
}

function originHost(origin: string): string | null {
  try {
    return new URL(origin).host;
  } catch {
    return null;
  }
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
