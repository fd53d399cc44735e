/**
 * Which models a plan compares when nobody names any: the newest of each line that everybody may use.
 */
import { listedModels, modelFacts } from '../../domain/models.ts';
import { priceOf } from '../../domain/pricing.ts';

/** Mythos is for those who were given it: it is compared when it is named. */
const LINES = ['haiku', 'sonnet', 'opus', 'fable'] as const;

export function defaultModels(nowMs: number): string[] {
  return LINES.flatMap((line) => {
    const versions = listedModels()
      .filter((id) => lineOf(id) === line && modelFacts(id, nowMs).status === 'active' && priceOf(id) !== null)
      .sort((one, other) => versionOf(other) - versionOf(one));
    return versions.slice(0, 1);
  });
}

function lineOf(id: string): string | undefined {
  return /^claude-([a-z]+)-\d/.exec(id)?.[1];
}

function versionOf(id: string): number {
  const [, major = '0', minor = '0'] = /^claude-[a-z]+-(\d)(?:-(\d))?$/.exec(id) ?? [];
  return Number(major) + Number(minor) / 10;
}
