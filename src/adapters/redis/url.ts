/**
 * The address of the shared limiter as the user gives it (`--limiter`). What is wrong with it is said before anything is
 * sent, and a password in it is never shown: not even as a part of a message of somebody else.
 */
import { BatchrunError } from '../../base/errors.ts';

export interface RedisAddress {
  /** With the password, for the client. */
  readonly url: string;
  /** As people may see it: host, port and database. */
  readonly shown: string;
  /** A text without what is secret in the address. */
  readonly clean: (text: string) => string;
}

const HINT =
  'Give it as redis://host:6379, redis://user:password@host:6379/0, or rediss:// for TLS. Characters such as @ or / in a password are written as %40 and %2F.';

export function parseRedisUrl(text: string): RedisAddress {
  const url = URL.canParse(text) ? new URL(text) : null;
  // The text is not repeated: it may hold a password, wherever that ended up.
  if (!url) throw refusal('it is no URL');
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:')
    throw refusal('it must begin with redis:// or rediss://');
  if (url.hostname === '') throw refusal('it names no host');
  if (!/^\/?\d{0,5}$/.test(url.pathname)) throw refusal('behind the host there may only be the number of a database');
  if (url.search !== '' || url.hash !== '') throw refusal('nothing may follow the number of the database');
  // Without a password the name may be one: redis://secret@host is easily written.
  const hidden = url.password === '' ? url.username : url.password;
  const secrets = [hidden, decoded(hidden)].filter((secret) => secret !== '');
  return {
    url: text,
    shown: `${url.protocol}//${url.host}${url.pathname === '/' ? '' : url.pathname}`,
    clean: (message) => secrets.reduce((left, secret) => left.replaceAll(secret, '****'), message),
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Only a % that is not followed by two digits does this.
    throw refusal('its password has a % that is not written as %25');
  }
}

function refusal(what: string): BatchrunError {
  return new BatchrunError('E_CONFIG', `the address given with --limiter cannot be used: ${what}`, { hint: HINT });
}
