/**
 * A pool of keys: ANTHROPIC_API_KEYS, or the environment variables that --api-keys-env names. Keys themselves are never
 * in a flag or in the configuration file, where other people and backups read them.
 */
import { BatchrunError, messageOf } from '../../base/errors.ts';
import { maskKey } from '../../base/log.ts';
import { plural } from '../../base/units.ts';
import type { KeyLink } from '../../engine/engine.ts';
import { identifyKey } from '../../engine/keys/identify-key.ts';
import type { ApiLink } from './api-link.ts';

const POOL_VARIABLE = 'ANTHROPIC_API_KEYS';

/** What the shell and every system take as the name of a variable. */
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** The keys in their order, each once; none where nothing names a pool. */
export function poolKeys(variables: readonly string[] | undefined, env: NodeJS.ProcessEnv): readonly string[] {
  if (variables === undefined || variables.length === 0) return keysIn(env[POOL_VARIABLE] ?? '');
  const keys = variables.flatMap((name) => {
    // It is not shown: it is most likely a key.
    if (!VARIABLE.test(name)) {
      throw new BatchrunError('E_CONFIG', '--api-keys-env takes the names of environment variables, not keys', {
        hint: 'For example: --api-keys-env TEAM_A_KEY,TEAM_B_KEY with `export TEAM_A_KEY=...`. A key that stood on the command line or in a file is no secret any more: replace it.',
      });
    }
    const found = keysIn(env[name] ?? '');
    if (found.length > 0) return found;
    throw new BatchrunError(
      'E_CREDENTIALS',
      `the environment variable ${name}, named by --api-keys-env, holds no key`,
      {
        hint: `Set ${name}, or take it out of --api-keys-env.`,
      },
    );
  });
  return [...new Set(keys)];
}

function keysIn(text: string): string[] {
  return [...new Set(text.split(/[\s,]+/).filter((key) => key !== ''))];
}

/** The masked key of a link, or how many there are. */
export function credentialText({ credential, pool, keys }: ApiLink): string {
  if (!pool) return `key ${maskKey(credential)}`;
  return keys ? `${plural(keys.length, 'key')} (${organizationsText(keys)})` : plural(pool.length, 'key');
}

export interface IdentifiedKeys {
  readonly keys: readonly KeyLink[];
  /** What there is to say about them. */
  readonly lines: readonly string[];
}

/** Asks the API whose keys these are. One that it refuses is named and set aside; where it does not answer nobody knows. */
export async function identifyKeys(pool: readonly ApiLink[], signal: AbortSignal): Promise<IdentifiedKeys> {
  const keys = await Promise.all(
    pool.map(({ api, credential }) => identifyKey({ api, label: maskKey(credential) }, signal)),
  );
  const refused = keys.filter((key) => key.refused);
  const lines = [
    `${plural(keys.length, 'key')} of ${organizationsText(keys)}; keys of one organization share its limits.`,
  ];
  for (const { label, refused: verdict } of refused) {
    lines.push(`key ${label} is set aside: ${verdict?.message ?? ''}. \`batchrun doctor\` shows every key.`);
  }
  return { keys, lines };
}

/** `2 organizations`; what the API does not tell is said. */
function organizationsText(keys: readonly KeyLink[]): string {
  const known = new Set(keys.flatMap(({ organization }) => organization ?? []));
  const unknown = keys.some(({ organization }) => organization === null);
  if (known.size === 0) return 'an organization that the API does not name';
  return `${plural(known.size, 'organization')}${unknown ? ' and one that the API does not name' : ''}`;
}

/** For doctor: what became of each key. */
export async function describeKey(
  link: ApiLink,
  signal: AbortSignal,
): Promise<{ readonly ok: boolean; readonly found: string }> {
  try {
    const { organization, workspace } = await link.api.identify(signal);
    const place = `organization ${organization ?? 'not told'}, workspace ${workspace ?? 'not told'}`;
    return { ok: true, found: `${place} (${link.api.workspace} in the ledger)` };
  } catch (error) {
    return { ok: false, found: messageOf(error) };
  }
}
