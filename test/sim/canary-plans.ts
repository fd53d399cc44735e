/** Plans that are sharpened so that a planted bug has something to spoil. */
import type { Plan } from './plan.ts';

/** A pilot of a few rows, of which the API refuses one or none. */
export function piloted(plan: Plan, refusedNth: number | null): Plan {
  const rows = plan.rows.map(({ refused: _refused, ...row }, at) => {
    const { metadata: _metadata, ...params } = row.params;
    return at === refusedNth
      ? { ...row, params: { ...params, metadata: { shoe: 'size' } }, refused: true }
      : { ...row, params };
  });
  const troubles = { ...plan.troubles, lane: 'auto', pilot: { rows: 4, refusedNth } } as const;
  return { ...plan, rows, cancelRate: 0, troubles };
}

/** A deadline that the batches of the plan miss. */
export function pressing(plan: Plan): Plan {
  const { 'batch.canceled_by_other': _others, ...faults } = plan.faults;
  const troubles = { ...plan.troubles, lane: 'auto', deadlineAfterMs: 8 * 60_000, lagsBeyondGrace: false } as const;
  return { ...plan, faults, cancelRate: 0, batchDurationMs: [600_000, 720_000], troubles };
}
