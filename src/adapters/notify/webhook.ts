/**
 * `--notify URL`: POST of JSON, signed where there is a secret. The address may be a secret itself (Slack's are): no
 * message names more of it than its host. A redirect to another place is not followed: the signature is for this one.
 */
import { createHmac } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { messageOf, systemCodeOf } from '../../base/errors.ts';
import type { Rng } from '../../base/random.ts';
import { plainJson } from '../../base/units.ts';
import type { NoticeBody } from '../../domain/notice-body.ts';
import { NotTaken, PATIENCE, withPatience, type Patience } from './patience.ts';

export const SIGNATURE_HEADER = 'X-Batchrun-Signature';

export interface WebhookParts {
  readonly url: string;
  /** Null: not signed. */
  readonly secret: string | null;
  readonly userAgent: string;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly patience?: Patience;
  readonly timeoutMs?: number;
}

export interface Webhook {
  readonly name: 'webhook';
  deliver(body: NoticeBody, options: { readonly signal: AbortSignal; readonly patient: boolean }): Promise<void>;
}

const TRY_MS_MAX = 10_000;
const REDIRECTS_MAX = 3;
/** What keeps method and body; the others would make a GET of it. */
const FOLLOWED: readonly number[] = [307, 308];
/** A receiver in trouble, or one that asks to come again. */
const PASSING: readonly number[] = [408, 425, 429];

export function createWebhook(parts: WebhookParts): Webhook {
  const { clock, rng, patience = PATIENCE } = parts;
  return {
    name: 'webhook',
    deliver: (body, options) => {
      const text = plainJson(bodyFor(new URL(parts.url), body));
      return withPatience(() => post(parts, text, options.signal), { ...options, clock, rng, patience });
    },
  };
}

/**
 * Slack documents the fields of its messages and no others, and so does what speaks its language: these get the text
 * alone. Everybody else gets all of it, `text` among it.
 */
export function bodyFor({ hostname, pathname }: URL, body: NoticeBody): object {
  const isSlack = /^hooks\.slack(-gov)?\.com$/.test(hostname);
  const isLikeSlack = /(^|\.)discord(app)?\.com$/.test(hostname) && pathname.endsWith('/slack');
  return isSlack || isLikeSlack ? { text: body.text } : body;
}

/** `t=<seconds since 1970>,v1=<hex>`: HMAC-SHA256 of `<t>.<body>`. */
export function signatureOf(secret: string, body: string, nowMs: number): string {
  const seconds = Math.floor(nowMs / 1_000);
  return `t=${seconds},v1=${createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')}`;
}

async function post(parts: WebhookParts, body: string, signal: AbortSignal): Promise<void> {
  const { secret, clock, userAgent, timeoutMs = TRY_MS_MAX } = parts;
  const timeout = AbortSignal.timeout(timeoutMs);
  const headers = {
    'content-type': 'application/json',
    'user-agent': userAgent,
    ...(secret === null ? {} : { [SIGNATURE_HEADER]: signatureOf(secret, body, clock.now()) }),
  };
  let url = new URL(parts.url);
  for (let redirects = 0; ; redirects++) {
    const answer = await send(url, { body, headers, signal: AbortSignal.any([signal, timeout]), timeout });
    if (answer.ok) return;
    if (!FOLLOWED.includes(answer.status)) throw refusal(url, answer);
    const next = nextPlace(url, answer);
    if (next === null) throw new NotTaken(`${url.host} points to another place (${answer.status})`, false);
    if (redirects >= REDIRECTS_MAX) throw new NotTaken(`${url.host} points on and on`, false);
    url = next;
  }
}

interface Sending {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly timeout: AbortSignal;
}

async function send(url: URL, { body, headers, signal, timeout }: Sending): Promise<Response> {
  try {
    const answer = await fetch(withoutUser(url), {
      method: 'POST',
      body,
      headers: { ...headers, ...authorization(url) },
      signal,
      redirect: 'manual',
    });
    // Nobody reads what it says; it may be large, or a secret.
    await answer.body?.cancel().catch(() => undefined);
    return answer;
  } catch (error) {
    const why = timeout.aborted ? 'did not answer in time' : `cannot be reached (${reasonOf(error)})`;
    throw new NotTaken(`${url.host} ${why}`, true);
  }
}

/** The message of a failed fetch may quote the address; the code of its cause does not. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return systemCodeOf(cause) ?? systemCodeOf(error) ?? (error instanceof Error ? error.name : messageOf(error));
}

function refusal(url: URL, answer: Response): NotTaken {
  const passing = answer.status >= 500 || PASSING.includes(answer.status);
  return new NotTaken(
    `${url.host} answered ${answer.status}`,
    passing,
    retryAfterMs(answer.headers.get('retry-after')),
  );
}

/** In seconds; a date is rare among receivers of notices, and the usual wait does for it. */
function retryAfterMs(text: string | null): number {
  const seconds = Number(text ?? NaN);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1_000 : 0;
}

/** The same host, and never from https to http. */
function nextPlace(url: URL, answer: Response): URL | null {
  const location = answer.headers.get('location');
  if (location === null || !URL.canParse(location, url.href)) return null;
  const next = new URL(location, url);
  if (next.hostname !== url.hostname || (next.port !== url.port && next.protocol === url.protocol)) return null;
  if (next.protocol !== url.protocol && next.protocol !== 'https:') return null;
  // A whole address has no name and password in it; they are for this host, as the signature is.
  next.username ||= url.username;
  next.password ||= url.password;
  return next;
}

/** fetch refuses addresses with a name and a password in them. */
function withoutUser(url: URL): URL {
  const bare = new URL(url);
  bare.username = '';
  bare.password = '';
  return bare;
}

function authorization({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {};
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
}
