/**
 * `--schema` in the params of a row: `output_config.format`, beside what else is in its output_config. A row that asks
 * for a format of its own keeps it.
 */
import { BatchrunError } from '../../base/errors.ts';
import type { OutputFormat } from '../schema/request-schema.ts';
import type { RowNotice } from '../source.ts';
import type { Findings } from './findings.ts';
import { isObject, type JsonObject } from './shape.ts';

export interface FormatDefault {
  readonly format: OutputFormat;
  /** What the rows' own are merged over. */
  readonly outputConfig: JsonObject;
}

const OWN_FORMAT: RowNotice = {
  code: 'own_format',
  message: 'a row has an output_config.format of its own: --schema is not asked of it, and its answer is not checked',
};

/** Puts the format into what every row starts from. Throws E_USAGE where --params has one too. */
export function baseWithFormat(base: Record<string, unknown>, format: OutputFormat): FormatDefault {
  const given = base['output_config'];
  const before = isObject(given) ? given : {};
  if ((before['format'] ?? null) !== null) {
    throw new BatchrunError('E_USAGE', '--schema and the output_config.format of --params cannot both be given');
  }
  const outputConfig = { ...before, format };
  base['output_config'] = outputConfig;
  return { format, outputConfig };
}

/** The output_config of a row that has one. What is no object is left to the checks. */
export function withFormat({ format, outputConfig }: FormatDefault, own: unknown, findings: Findings): unknown {
  if (own === null) return outputConfig;
  if (!isObject(own)) return own;
  if ((own['format'] ?? null) === null) return { ...outputConfig, ...own, format };
  findings.notice(OWN_FORMAT);
  return own;
}
