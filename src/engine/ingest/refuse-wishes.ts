/**
 * Wishes that cannot be kept: refused before anything is sent.
 */
import { BatchrunError } from '../../base/errors.ts';
import { formatCount } from '../../base/units.ts';
import type { ModelMix, RunRecord, RunWishes } from '../../domain/model.ts';
import { worstRunCostUsd } from '../../domain/reserve.ts';

/** A cap on what nobody can price cannot be kept: said before anything is sent. */
export function refuseUnpriced(wishes: RunWishes, mix: ModelMix): void {
  if (wishes.maxCostUsd === null) return;
  const unknown = Object.entries(mix).filter(
    ([model, part]) => worstRunCostUsd({ [model]: part }, wishes.lane) === null,
  );
  if (unknown.length === 0) return;
  const models = unknown.map(([model]) => model).join(', ');
  throw new BatchrunError(
    'E_USAGE',
    `--max-cost cannot be kept: no ${wishes.lane === 'realtime' ? 'realtime' : 'batch'} price of ${models} is known`,
    {
      hint: `Give it with --prices FILE, for example {"${unknown[0]?.[0] ?? ''}": {"input": 1, "output": 5}} (USD per million tokens).`,
    },
  );
}

/** Which rows go first is laid out when the input is read. */
export function refuseLatePilot({ id }: RunRecord, before: RunWishes, { pilot }: Partial<RunWishes>): void {
  if (pilot === undefined || pilot === 0 || pilot === before.pilot) return;
  const is = before.pilot === 0 ? 'has no pilot' : `has a pilot of ${formatCount(before.pilot)}`;
  throw new BatchrunError('E_USAGE', `${id} ${is}, which cannot be changed to ${formatCount(pilot)}`, {
    hint: 'The size of a pilot is given to the submit that makes the run; later --pilot 0 sends the rest all the same.',
  });
}
