/**
 * Durations, sizes and numbers as people write and read them.
 */

const MS_PER_UNIT: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
};

/** `200ms`, `30s`, `10m`, `4h`, `2d`, `1h30m`; a bare number means seconds. Undefined where it is none of these. */
export function parseDurationMs(text: string): number | undefined {
  const trimmed = text.trim();
  if (/^\d+(\.\d+)?$/.test(trimmed)) return Number(trimmed) * 1_000;
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d|w))+$/.test(trimmed)) return undefined;
  let total = 0;
  for (const [, amount, , unit] of trimmed.matchAll(/(\d+(\.\d+)?)(ms|s|m|h|d|w)/g)) {
    total += Number(amount) * (MS_PER_UNIT[unit ?? ''] ?? 0);
  }
  return total;
}

/** `850ms`, `42s`, `3m 20s`, `5h 12m`, `2d 4h`: two units at most. */
export function formatDuration(ms: number): string {
  if (!Number.isFinite(ms)) return 'unknown';
  if (ms < 999.5) return `${Math.max(0, Math.round(ms))}ms`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds}s`;
  const steps: readonly (readonly [string, number, string, number])[] = [
    ['d', 86_400, 'h', 3_600],
    ['h', 3_600, 'm', 60],
    ['m', 60, 's', 1],
  ];
  for (const [big, bigSeconds, small, smallSeconds] of steps) {
    if (seconds < bigSeconds) continue;
    const rest = Math.floor((seconds % bigSeconds) / smallSeconds);
    return `${Math.floor(seconds / bigSeconds)}${big}${rest > 0 ? ` ${rest}${small}` : ''}`;
  }
  return `${seconds}s`;
}

/** `250000000`, `256MB`, `64KiB`: bytes. Undefined where it is none of these. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*(b|kb|mb|gb|kib|mib|gib)?$/i.exec(text.trim());
  if (!match) return undefined;
  const factors: Readonly<Record<string, number>> = {
    b: 1,
    kb: 1e3,
    mb: 1e6,
    gb: 1e9,
    kib: 2 ** 10,
    mib: 2 ** 20,
    gib: 2 ** 30,
  };
  return Math.floor(Number(match[1]) * (factors[(match[2] ?? 'b').toLowerCase()] ?? 1));
}

/** `840 B`, `12.3 MB`: decimal units, as the API's limits are given. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let at = 0;
  // What would be rounded to 1000 is the next unit.
  while (value >= 999.5 && at < units.length - 1) {
    value /= 1_000;
    at++;
  }
  return `${at === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[at]}`;
}

/** `1,234,567`: always with commas, whatever the machine's locale, because scripts and mails read it too. */
export function formatCount(count: number): string {
  return Math.round(count)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `$0.0042`, `$1.53`, `$1,204`: as many digits as matter. */
export function formatUsd(usd: number): string {
  if (usd === 0) return '$0';
  // Two digits that matter, without an exponent.
  if (usd < 0.01) return `$${usd.toFixed(Math.min(12, 1 - Math.floor(Math.log10(usd))))}`;
  if (usd < 999.995) return `$${usd.toFixed(2)}`;
  return `$${formatCount(usd)}`;
}

/** The same of an upper bound: rounded up, because $0.0149 are not at most $0.01. */
export function formatUsdMost(usd: number): string {
  const digits = usd >= 999.995 ? 0 : usd >= 0.01 || usd <= 0 ? 2 : Math.min(12, 1 - Math.floor(Math.log10(usd)));
  const steps = 10 ** digits;
  // Binary fractions end a hair above what they should be.
  return formatUsd(Math.ceil(usd * steps - 1e-6) / steps);
}

/**
 * What is left of one sum of money after another: two that are the same differ by a hair, which must not count as money
 * that is left. To a billionth of a dollar. Sums need no rounding: `plain` and `plainJson` take their noise away.
 */
export function roundUsd(usd: number): number {
  return Math.round(usd * 1e9) / 1e9;
}

/** JSON in which sums of money do not have the noise of binary fractions (0.30000000000000004). */
export function plainJson(value: unknown): string {
  return JSON.stringify(value, (_name, one: unknown) => (typeof one === 'number' ? withoutNoise(one) : one));
}

/** The same as an object: a view that is JSON as it is. */
export function plain<T extends object>(view: T): T {
  return JSON.parse(plainJson(view)) as T;
}

/** What the last digits of a double alone make long. Everything else, also what a user gave, stays to the last digit. */
export function withoutNoise(value: number): number {
  const rounded = Number(value.toPrecision(15));
  return String(value).length - String(rounded).length > 2 ? rounded : value;
}

/** `1 row`, `2 rows`. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}
