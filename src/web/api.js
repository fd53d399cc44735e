// @ts-check
/**
 * Talks to the server that this page came from. The token came behind the # of the address; it is kept for this tab only
 * and goes into a header, never into an address.
 */

const KEY = 'batchrun.token';

/** Takes the token out of the address, so that nobody copies it with the address. */
export function takeToken() {
  const match = /^#token=([^&]+)/.exec(location.hash);
  if (!match) return;
  setToken(decodeURIComponent(match[1] ?? ''));
  history.replaceState(null, '', `${location.pathname}#/`);
}

/** @param {string} token */
export function setToken(token) {
  sessionStorage.setItem(KEY, token);
}

/** @returns {Record<string, string>} */
export function tokenHeader() {
  const token = sessionStorage.getItem(KEY);
  return token ? { authorization: `Bearer ${token}` } : {};
}

/** @param {unknown} error */
export function isUnknown(error) {
  return error instanceof Refused && error.status === 404;
}

/** What a server refused, in its own words. */
class Refused extends Error {
  /**
   * @param {number} status
   * @param {string} message
   * @param {string} hint
   */
  constructor(status, message, hint) {
    super(message);
    this.status = status;
    this.hint = hint;
  }
}

/**
 * @param {string} path
 * @param {RequestInit} [init]
 * @returns {Promise<any>}
 */
async function ask(path, init = {}) {
  const headers = { ...tokenHeader(), ...init.headers };
  const answer = await fetch(path, { ...init, headers, cache: 'no-store', credentials: 'omit' });
  const value = await answer.json().catch(() => null);
  if (answer.ok) return value;
  throw new Refused(
    answer.status,
    value?.error?.message ?? `the server said ${answer.status}`,
    value?.error?.hint ?? '',
  );
}

/** @param {string} path */
export function get(path) {
  return ask(path);
}

/**
 * @param {string} path
 * @param {Record<string, unknown>} [body]
 */
export function post(path, body = {}) {
  return ask(path, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } });
}

/**
 * @param {string} run
 * @param {string} [rest]
 */
export function ofRun(run, rest = '') {
  return `/api/runs/${encodeURIComponent(run)}${rest}`;
}

/** @param {unknown} error */
export function textOf(error) {
  if (error instanceof Refused) return [error.message, error.hint].filter((part) => part !== '').join('. ');
  return error instanceof TypeError ? 'the server does not answer' : String(error);
}
