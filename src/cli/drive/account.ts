/**
 * What is found out about the account before something is driven: whose keys these are, its limits where there is an
 * admin key, and the buckets that other machines use as well (`--limiter`). None of it stops the work.
 */
import { maskKey } from '../../base/log.ts';
import { messageOf } from '../../base/errors.ts';
import { isAdminKeyRefused, type AdminLimits } from '../../domain/pacing/admin-limits.ts';
import type { KeyLink } from '../../engine/engine.ts';
import type { ApiLink } from './api-link.ts';
import { connectLimiter, readLimits, type Account, type Context } from '../context.ts';

/** An admin key reads limits; it makes no calls of the Messages API. */
export const ADMIN_VARIABLE = 'ANTHROPIC_ADMIN_KEY';

export async function openAccount(context: Context, link: ApiLink): Promise<Account> {
  const url = context.flags.limiter;
  const adminKey = process.env[ADMIN_VARIABLE] ?? '';
  const keys = link.keys ?? [await theKey(context, link, url !== undefined || adminKey !== '')];
  if (url !== undefined && keys.some((key) => key.organization === null)) {
    context.terminal.talk(
      'The API does not say whose organization a key is of: its limits are shared only with processes that use the same key.',
    );
  }
  const limiter = url === undefined ? null : await connectLimiter(url, (mode, cause) => tellMode(context, mode, cause));
  const admin = adminKey === '' ? null : await limitsOf(context, link, { adminKey, keys });
  return { keys, limiter, admin, close: () => limiter?.close() ?? Promise.resolve() };
}

/** One key: whose it is matters only where others share its limits, or an admin key tells them. */
async function theKey(context: Context, { api, credential }: ApiLink, asked: boolean): Promise<KeyLink> {
  const key: KeyLink = { api, organization: null, reported: null, label: maskKey(credential) };
  if (!asked) return key;
  try {
    const { organization, workspace } = await api.identify(context.signal);
    return { ...key, organization, reported: workspace };
  } catch (error) {
    // Whatever is wrong with the key or the API, the work itself says so.
    context.log.debug('key.not_identified', { cause: messageOf(error) });
    return key;
  }
}

async function limitsOf(
  context: Context,
  link: ApiLink,
  { adminKey, keys }: { readonly adminKey: string; readonly keys: readonly KeyLink[] },
): Promise<AdminLimits | null> {
  const say = (text: string): void => {
    if (context.flags.quiet !== true) context.terminal.talk(`${text} The limits are learnt from answers instead.`);
  };
  try {
    const limits = await readLimits(adminKey, link, context.signal);
    const { organization } = limits;
    if (organization === null || keys.some((key) => key.organization === null || key.organization === organization)) {
      return limits;
    }
    say(`The admin key in ${ADMIN_VARIABLE} is of another organization than the keys that are used.`);
  } catch (error) {
    say(
      isAdminKeyRefused(error)
        ? `The admin key in ${ADMIN_VARIABLE} was refused.`
        : `The Admin API does not tell the limits: ${messageOf(error)}.`,
    );
  }
  return null;
}

function tellMode({ terminal, log }: Context, mode: 'shared' | 'alone', cause: string | null): void {
  if (mode === 'shared') log.info('limiter.shared');
  else terminal.talk(`${cause ?? 'Redis cannot be used'}. This process goes on with a safe share of the limits.`);
}
