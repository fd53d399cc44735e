/**
 * Runs with `--schema`: a third of the seeds ask for JSON by a schema, and the simulated model does not always keep to
 * it. What follows the schema is judged by hand here, not by the checker of the program.
 */
import { compileSchema } from '../../src/adapters/schema/compile.ts';
import { chance, pick, seededRng } from '../../src/base/random.ts';
import type { SchemaCompiler } from '../../src/domain/answer-check.ts';
import { settingHash } from '../../src/domain/fingerprint.ts';
import type { AnswerSchema } from '../../src/domain/schema/answer-schema.ts';
import { outputFormat } from '../../src/domain/schema/request-schema.ts';
import type { Machine } from './machine.ts';
import type { Plan } from './plan.ts';

export interface SchemaPlan {
  readonly onError: 'fail' | 'retry';
}

const SCHEMA = {
  type: 'object',
  properties: {
    label: { enum: ['good', 'bad'] },
    score: { type: 'number', minimum: 0, maximum: 1 },
    tags: { type: 'array', items: { type: 'string' } },
  },
  required: ['label', 'score', 'tags'],
} as const;
const FORMAT = outputFormat(SCHEMA);

export const KEPT: AnswerSchema = { file: 'answer.json', schema: SCHEMA, formatHash: settingHash(FORMAT) };

/** Compiled before any seed begins: loading the compiler takes turns of the real event loop. */
const CHECK = await compileSchema(KEPT);
export const SCHEMAS: SchemaCompiler = { compile: () => Promise.resolve(CHECK) };

/** From a stream of its own, so that the rest of a seed stays as it is. */
export function withSchema(plan: Plan): Plan {
  const rng = seededRng(`schema|${plan.seed}`);
  if (!chance(rng, 0.3)) return plan;
  return schemaPlan(plan, pick(rng, ['fail', 'retry', 'retry']), pick(rng, [0.1, 0.3, 0.7]));
}

export function schemaPlan(plan: Plan, onError: SchemaPlan['onError'], schemaErrorRate: number): Plan {
  const rows = plan.rows.map((row) => ({ ...row, params: { ...row.params, output_config: { format: FORMAT } } }));
  return { ...plan, rows, schema: { onError }, rates: { ...plan.rates, schemaErrorRate } };
}

/** By hand. */
export function follows(text: string): boolean {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return false;
  }
  if (typeof value !== 'object' || value === null) return false;
  const { label, score, tags } = value as Readonly<Record<string, unknown>>;
  const isScore = typeof score === 'number' && score >= 0 && score <= 1;
  const isTags = Array.isArray(tags) && tags.every((tag) => typeof tag === 'string');
  return (label === 'good' || label === 'bad') && isScore && isTags;
}

export interface DeviantLine {
  readonly type: string;
  readonly answer: { readonly content: readonly { readonly text: string }[]; readonly stop_reason: string } | undefined;
}

/** Why a row should not have failed for its answer; null where that is in order. */
export function wrongDeviant(machine: Machine, { type, answer }: DeviantLine, attempts: number): string | null {
  const { plan, counts } = machine;
  if (type !== 'batchrun_schema') return null;
  if (!plan.schema) return 'it failed for a schema, and there is none';
  counts.deviants++;
  if (!answer) return 'it failed for its answer, and the answer is lost';
  if (follows(answer.content.map(({ text }) => text).join('')))
    return 'it failed for an answer that follows the schema';
  if (plan.schema.onError === 'fail' || plan.retryLane === 'none' || answer.stop_reason !== 'end_turn') return null;
  if (attempts >= plan.maxAttempts || plan.cancelRate > 0 || mayEndSooner(machine)) return null;
  return `it failed for its answer after ${attempts} of ${plan.maxAttempts} attempts`;
}

/** A later try may end in something that no other try changes: then the row keeps the answer that it has. */
function mayEndSooner({ plan, lab: { world } }: Machine): boolean {
  const fired = (fault: Parameters<typeof world.faultsFired.get>[0]): boolean =>
    (world.faultsFired.get(fault) ?? 0) > 0;
  const hopeless = plan.rates.errorTypes?.invalid_request_error !== undefined;
  return hopeless || fired('create.413') || fired('batch.canceled_by_other') || fired('message.garbage_answer');
}

/** May a row be sent again although an answer of it was paid? It did not follow the schema, or was none at all. */
export function mayAskAgain({ plan, generation }: Machine, deviates: boolean): boolean {
  if (!plan.schema) return false;
  if (deviates && plan.schema.onError === 'retry') return true;
  // `batchrun retry` sends what failed: for its answer, because it was cut, or because the model refused.
  return generation > 0 && (deviates || plan.retryTruncated > 0 || (plan.rates.refusalRate ?? 0) > 0);
}

/** No row gets more answers beside the schema than it has attempts. */
export function checkAskedAgain(machine: Machine): void {
  const { plan, generation } = machine;
  if (!plan.schema || plan.troubles.lagsBeyondGrace) return;
  const most = (plan.schema.onError === 'retry' ? plan.maxAttempts : 1) * (generation + 1);
  const deviants = new Map<string, number>();
  for (const batch of machine.lab.batchesOf(machine)) {
    for (const { paramsHash, deviates } of batch.rows()) {
      if (deviates) deviants.set(paramsHash, (deviants.get(paramsHash) ?? 0) + 1);
    }
  }
  for (const times of deviants.values()) {
    if (times > most) machine.violation(`a row was asked again after ${times} answers beside the schema, of ${most}`);
    if (times > 1) machine.counts.deviantsAskedAgain++;
  }
}

export function settingsOf({ schema }: Pick<Plan, 'schema'>): { readonly schema?: AnswerSchema } {
  return schema ? { schema: KEPT } : {};
}
