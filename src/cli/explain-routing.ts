/**
 * `--explain-routing ROW`: which rule of --routes takes one row, what each of its conditions saw, and what the row comes to.
 * The input is read until that row; nothing is sent and no state is touched.
 *
 * ROW is a custom_id, or a line where no row has such an id.
 */
import { BatchrunError } from '../base/errors.ts';
import { wishesOf } from '../domain/model.ts';
import { toPriority } from '../domain/priority.ts';
import { generatedId } from '../domain/row-file.ts';
import { ID_COLUMN, isObject, PRIORITY_COLUMN } from '../domain/row/shape.ts';
import { explainRoutes, type ExplainedRoute } from '../domain/routing/explain-rules.ts';
import type { RoutedRow } from '../domain/routing/router.ts';
import { lineOf, type RowReading, type RowSource, type SourceRecord } from '../domain/source.ts';
import { openInput, type Context } from './context.ts';
import { EXIT } from './drive/outcome.ts';
import { readTexts, rowReading } from './submit/prepare.ts';
import {
  explanationText,
  viewExplanation,
  type By,
  type ExplainedRow,
  type Explanation,
} from './render/explain-text.ts';
import { wishesAsked } from './flags/wishes.ts';
import { jsonText } from './terminal/ui.ts';

export async function explainRouting(
  context: Context,
  inputs: readonly string[],
  { row, argv }: { readonly row: string; readonly argv: readonly string[] },
): Promise<number> {
  const { flags, terminal } = context;
  const texts = readTexts(flags);
  const { routes } = texts;
  if (!routes) {
    throw new BatchrunError('E_USAGE', '--explain-routing explains the rules of --routes, and there are none', {
      hint: 'Add --routes FILE.',
    });
  }
  const source = await openInput(inputs, flags);
  const seen: { last: Seen | null } = { last: null };
  const onRow = (routed: RoutedRow): void => void (seen.last = { routed, rules: explainRoutes(routes, routed) });
  const read = rowReading(source, { flags, texts, argv, onRow });
  const record = await findRecord(source, { row, inputCount: inputs.length, idColumn: flags.idColumn ?? ID_COLUMN });
  if (!record) {
    throw new BatchrunError('E_USAGE', `no row of ${inputs.join(', ')} has the custom_id or the line ${row}`, {
      hint: 'Lines are counted from 1, the header of a CSV included; of a JSON array the elements are.',
    });
  }
  const reading = read(record);
  const explanation = explain(record, { reading, seen: seen.last, context, inputs });
  if (flags.json === true) await terminal.data(jsonText(viewExplanation(explanation)));
  else await terminal.text(`${explanationText(explanation)}\n`);
  return EXIT.ok;
}

interface Seen {
  readonly routed: RoutedRow;
  readonly rules: readonly ExplainedRoute[];
}

interface Wanted {
  readonly row: string;
  readonly inputCount: number;
  readonly idColumn: string;
}

/** An id goes before a line; the first row with it is the one. */
async function findRecord(source: RowSource, { row, inputCount, idColumn }: Wanted): Promise<SourceRecord | null> {
  let onLine: SourceRecord | null = null;
  for await (const records of source.records()) {
    for (const record of records) {
      const id = idOf(record, idColumn);
      const lineId = generatedId(record.file, lineOf(record), inputCount);
      if ((id ?? lineId) === row) return record;
      if (lineId === row) onLine ??= record;
    }
  }
  return onLine;
}

function idOf({ value }: SourceRecord, idColumn: string): string | undefined {
  const id = isObject(value) && Object.hasOwn(value, idColumn) ? value[idColumn] : undefined;
  return typeof id === 'string' || typeof id === 'number' ? String(id) : undefined;
}

interface Explained {
  readonly reading: RowReading;
  readonly seen: Seen | null;
  readonly context: Context;
  readonly inputs: readonly string[];
}

function explain(record: SourceRecord, { reading, seen, context, inputs }: Explained): Explanation {
  const rules = seen?.rules ?? [];
  const taken = rules.findIndex(({ holds }) => holds);
  const route = rules[taken]?.route ?? null;
  const customId = reading.ok ? reading.row.customId : reading.customId;
  const common = {
    place: `${inputs[record.file] ?? '-'}:${record.line}`,
    id: customId ?? generatedId(record.file, lineOf(record), inputs.length),
    rules: taken < 0 ? rules : rules.slice(0, taken + 1),
    route,
  };
  if (!reading.ok) return { ...common, row: null, problems: reading.problems };
  const { model, maxTokens, priority, lane } = reading.row;
  const wishes = wishesOf({ settings: { wishes: wishesAsked(context.flags) } });
  const by = (own: boolean, ruled: boolean): By => {
    if (ruled && (route?.override === true || !own)) return 'rule';
    return own ? 'row' : 'flags';
  };
  const brings = (name: string): boolean => seen?.routed.own !== undefined && Object.hasOwn(seen.routed.own, name);
  const ownPriority = toPriority(seen?.routed.record[PRIORITY_COLUMN]) !== null;
  const use = route?.use ?? {};
  const row: ExplainedRow = {
    model: { value: model, by: by(brings('model'), use.model !== undefined) },
    maxTokens: { value: maxTokens, by: by(brings('max_tokens'), use.maxTokens !== undefined) },
    priority: { value: priority ?? wishes.priority, by: by(ownPriority, use.priority !== undefined) },
    // What is forced for the whole run goes before the lane of a rule.
    lane: wishes.lane === 'auto' && lane !== null ? { value: lane, by: 'rule' } : { value: wishes.lane, by: 'flags' },
  };
  return { ...common, row, problems: [] };
}
