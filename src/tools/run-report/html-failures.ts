/**
 * Why rows did not succeed, with some of them by name; and answers that are there and deserve a look.
 */
import { formatCount, plural } from '../../base/units.ts';
import { barTable, dataTable, paragraph } from '../report/blocks.ts';
import { markup, NOTHING, type Filling, type Markup } from '../report/markup.ts';
import type { ReportSection } from '../report/page.ts';
import type { Example } from './examples.ts';
import type { RunReport } from './gather.ts';
import { shortName } from './html-about.ts';
import { reasonHelp, reasonText } from './reasons.ts';
import { withCode } from './texts.ts';

const KINDS_SHOWN_MAX = 20;

export function failureSections(report: RunReport): ReportSection[] {
  return [...failures(report), ...stops(report)];
}

function failures(report: RunReport): ReportSection[] {
  const { run, view, skipped } = report;
  const kinds = Object.entries(view.failures).sort(([, one], [, other]) => other - one);
  const invalid = run.rows.invalid;
  if (kinds.length === 0 && invalid === 0) return [];
  const bars = kinds.slice(0, KINDS_SHOWN_MAX).map(([kind, rows]) => {
    return { label: kind, value: rows, text: formatCount(rows), tone: 5 };
  });
  if (invalid > 0) bars.push({ label: 'skipped', value: invalid, text: formatCount(invalid), tone: 2 });
  const more = kinds.slice(KINDS_SHOWN_MAX).reduce((sum, [, rows]) => sum + rows, 0);
  if (more > 0) bars.push({ label: 'others', value: more, text: formatCount(more), tone: 5 });
  return [
    {
      title: 'Why rows did not succeed',
      body: [
        barTable({ caption: 'Rows by reason', bars }),
        schemaTable(report),
        ...kinds.slice(0, KINDS_SHOWN_MAX).map(([kind, rows]) => kindOf(report, kind, rows)),
        invalid > 0 ? skippedRows(report, skipped.length) : NOTHING,
      ],
    },
  ];
}

function kindOf(report: RunReport, kind: string, rows: number): Markup {
  const examples = report.failures[kind] ?? [];
  const why = reasonText(kind);
  const because = why.startsWith('of ') ? '' : ` Because ${why}.`;
  return markup`<h3>${kind}: ${plural(rows, 'row')}</h3>
    <p>${because} ${withCode(reasonHelp(kind) ?? '')}</p>
    ${exampleRows(report, examples, rows)}`;
}

function schemaTable({ view }: RunReport): Markup {
  const kinds = Object.entries(view.schema_errors);
  if (kinds.length === 0) return NOTHING;
  return barTable({
    caption: 'Answers that do not follow the schema, by what is wrong with them',
    bars: kinds.map(([kind, rows]) => ({ label: kind, value: rows, text: formatCount(rows), tone: 2 })),
  });
}

function exampleRows(report: RunReport, examples: readonly Example[], of: number): Markup {
  if (examples.length === 0) return NOTHING;
  const several = report.run.inputs.length > 1;
  const isSaid = examples.some(({ said }) => said !== null);
  const rows = examples.map((example): Filling[] => [
    example.id === null ? markup`<span class="quiet">not known</span>` : markup`<code>${example.id}</code>`,
    placeText(report, example, several),
    String(example.attempts),
    ...(isSaid ? [markup`<span class="said">${example.said ?? '-'}</span>`] : []),
  ]);
  const caption = examples.length < of ? `${examples.length} of ${plural(of, 'row')}` : 'All of them';
  const head = ['custom_id', 'line of the input', 'tries', ...(isSaid ? ['what was said'] : [])];
  return markup`${dataTable({ caption, head, rows })}
    ${report.texts ? examples.map(textsOf) : NOTHING}`;
}

function placeText({ run }: RunReport, { line, file, seq }: Example, several: boolean): string {
  if (line === null) return `row ${formatCount(seq)}, counted from 0`;
  return several ? `${shortName(run.inputs[file - 1] ?? String(file))}:${line}` : String(line);
}

/** With --texts. */
function textsOf({ id, seq, prompt, answer }: Example): Markup {
  if (prompt === null && answer === null) return NOTHING;
  const part = (name: string, text: string | null): Markup =>
    text === null
      ? NOTHING
      : markup`<p class="quiet">${name}</p>
          <pre><code>${text}</code></pre>`;
  return markup`<div class="example">
    <h4>${id ?? `row ${seq}`}</h4>
    ${part('asked', prompt)}${part('answered', answer)}
  </div>`;
}

function skippedRows({ run, skipped }: RunReport, shown: number): Markup {
  const several = run.inputs.length > 1;
  const rows = skipped.map(({ id, line, file, problems }): Filling[] => [
    markup`<code>${id}</code>`,
    several ? `${shortName(run.inputs[file - 1] ?? String(file))}:${line}` : String(line),
    markup`<span class="said">${problems.join('; ')}</span>`,
  ]);
  const of = run.rows.invalid;
  const caption = shown < of ? `${shown} of ${plural(of, 'row')}` : 'All of them';
  return markup`<h3>skipped: ${plural(of, 'row')}</h3>
    <p>They could not be sent, and were not (--on-invalid skip). Nothing was paid for them.</p>
    ${rows.length === 0 ? NOTHING : dataTable({ caption, head: ['custom_id', 'line of the input', 'what is wrong'], rows })}`;
}

const STOPS: Readonly<Record<string, string>> = {
  end_turn: 'ended by itself',
  stop_sequence: 'met a stop sequence',
  tool_use: 'asks for a tool',
  max_tokens: 'cut by max_tokens',
  refusal: 'the model refused',
  pause_turn: 'paused in the middle',
  model_context_window_exceeded: 'cut by the context window',
};

function stops(report: RunReport): ReportSection[] {
  const list = Object.entries(report.run.stopReasons).sort(([, one], [, other]) => other - one);
  if (list.length === 0) return [];
  const bars = list.map(([reason, count]) => ({
    label: Object.hasOwn(STOPS, reason) ? `${STOPS[reason] ?? ''} (${reason})` : reason,
    ...{ value: count, text: formatCount(count), tone: 2 },
  }));
  const examples = Object.entries(report.stops).map(([reason, some]) => {
    const count = report.run.stopReasons[reason] ?? some.length;
    return markup`<h3>${reason}: ${plural(count, 'answer')}</h3>
      ${exampleRows(report, some, count)}`;
  });
  return [
    {
      title: 'Answers that deserve a look',
      body: [
        paragraph(
          'These rows succeeded, and their answers stopped for a reason that may make them less than they should be.',
        ),
        barTable({ caption: 'Answers by why they stopped', bars }),
        ...examples,
      ],
    },
  ];
}
