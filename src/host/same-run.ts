/**
 * Runs of the same inputs, settings and API: what was decided for one is decided again for the next.
 */
import { settingHash } from '../domain/fingerprint.ts';
import type { RunRecord } from '../domain/model.ts';
import { SEED_DEFAULT } from '../domain/row/draw.ts';

export function sameRun(wanted: Pick<RunRecord, 'origin' | 'inputs' | 'settingHashes'>): (run: RunRecord) => boolean {
  const hashes = stableText(wanted.settingHashes);
  const inputs = JSON.stringify(wanted.inputs);
  return (run) =>
    run.origin === wanted.origin && JSON.stringify(run.inputs) === inputs && stableText(run.settingHashes) === hashes;
}

function stableText(hashes: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(hashes).sort(([one], [other]) => (one < other ? -1 : 1)));
}

/** The settings that shape requests, as flags and options name them; texts and rules as they were read. */
export interface ShapingSettings {
  readonly model?: string | undefined;
  readonly maxTokens?: number | undefined;
  readonly system?: string | undefined;
  readonly prompt?: string | undefined;
  readonly params?: unknown;
  readonly schema?: unknown;
  readonly betas?: readonly string[] | undefined;
  readonly idColumn?: string | undefined;
  readonly dropUnsupported?: boolean | undefined;
  readonly limit?: number | undefined;
  readonly name?: string | undefined;
  readonly cache?: string | undefined;
  readonly routes?: unknown;
  readonly truncate?: unknown;
  readonly sample?: number | undefined;
  readonly shuffle?: boolean | undefined;
  readonly seed?: number | undefined;
}

/** As hashes under the names of the flags: a later submit, of either kind, can name the one that differs. */
export function hashSettings(of: ShapingSettings): Record<string, string> {
  const settings: Record<string, unknown> = {
    model: of.model,
    'max-tokens': of.maxTokens,
    system: of.system,
    prompt: of.prompt,
    params: of.params,
    schema: of.schema,
    betas: of.betas,
    'id-column': of.idColumn,
    'drop-unsupported': of.dropUnsupported,
    limit: of.limit,
    name: of.name,
    // Only where it is on: runs of earlier versions know no such flag.
    ...(of.cache === undefined || of.cache === 'off' ? {} : { cache: of.cache }),
  };
  // What came later is left out where it is not used: runs of before have no hash of it.
  const later = { routes: of.routes, truncate: of.truncate, ...drawing(of) };
  const given = Object.entries(later).filter(([, value]) => value !== undefined);
  const all = [...Object.entries(settings), ...given];
  return Object.fromEntries(all.map(([flag, value]) => [flag, settingHash(value ?? null)]));
}

/** What chooses and orders rows. A seed means nothing where nothing is drawn. */
function drawing({ sample, shuffle, seed }: ShapingSettings): Record<string, unknown> {
  const draws = sample !== undefined || shuffle === true;
  return { sample, shuffle: shuffle === true ? true : undefined, seed: draws ? (seed ?? SEED_DEFAULT) : undefined };
}
