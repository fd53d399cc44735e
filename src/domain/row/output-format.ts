/**
 * `--schema` in the params of a row: `output_config.format`, beside what else is in its output_config. A row that asks
 * for a format of its own keeps it. Rows without an output_config get the same one, whose text is made once: a schema is
 * as long as many a row.
 */
import { BatchrunError } from '../../base/errors.ts';
import type { OutputFormat } from '../schema/request-schema.ts';
import type { RowNotice } from '../source.ts';
import type { Findings } from './findings.ts';
import { isObject, type JsonObject } from './shape.ts';

export interface FormatDefault {
  readonly format: OutputFormat;
  /** Of a row that has none; what the rows' own are merged over. */
  readonly outputConfig: JsonObject;
  /** The end of the params of such a row. */
  readonly tail: string;
  /** It has no character that JSON escapes, or that takes more than a byte. */
  readonly plainTail: boolean;
}

const OWN_FORMAT: RowNotice = {
  code: 'own_format',
  message: 'a row has an output_config.format of its own: --schema is not asked of it, and its answer is not checked',
};

/** Takes what --params has beside it out of what every row starts from. Throws E_USAGE where that has a format too. */
export function takeFormat(base: Record<string, unknown>, format: OutputFormat): FormatDefault {
  const { output_config: given } = base;
  delete base['output_config'];
  const before = isObject(given) ? given : {};
  if ((before['format'] ?? null) !== null) {
    throw new BatchrunError('E_USAGE', '--schema and the output_config.format of --params cannot both be given');
  }
  const outputConfig = { ...before, format };
  const tail = `"output_config":${JSON.stringify(outputConfig)}}`;
  return { format, outputConfig, tail, plainTail: /^[\x20-\x5b\x5d-\x7e]*$/.test(tail) };
}

/** The params of a row, with the output_config that it has not. */
export function closedWith({ tail }: FormatDefault, paramsJson: string): string {
  return paramsJson === '{}' ? `{${tail}` : `${paramsJson.slice(0, -1)},${tail}`;
}

/** The output_config of a row that has one. What is no object is left to the checks. */
export function withFormat({ format, outputConfig }: FormatDefault, own: unknown, findings: Findings): unknown {
  if (own === null) return outputConfig;
  if (!isObject(own)) return own;
  if ((own['format'] ?? null) === null) return { ...outputConfig, ...own, format };
  findings.notice(OWN_FORMAT);
  return own;
}
