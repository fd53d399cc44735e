/**
 * What ran, where, and with which settings. Of the flags that shape requests the ledger keeps hashes only, so their names
 * are told; a schema is shown only with --texts.
 */
import { formatBytes, formatCount, formatUsd, plural } from '../../base/units.ts';
import { settingHash } from '../../domain/fingerprint.ts';
import { wishesOf, type RunRecord } from '../../domain/model.ts';
import { code, dataTable, paragraph } from '../report/blocks.ts';
import { markup, NOTHING, type Filling, type Markup } from '../report/markup.ts';
import type { ReportSection } from '../report/page.ts';
import type { RunReport } from './gather.ts';
import { shortTime } from './summary.ts';
import { cutText } from './texts.ts';

const SCHEMA_CHARS = 4_000;

/** The name of a file without its folders; `-` is stdin. */
export function shortName(path: string): string {
  if (path === '-') return 'stdin';
  return path.split(/[/\\]/).at(-1) ?? path;
}

export function aboutSection({ run, view }: RunReport): ReportSection {
  const { requests, bytes } = sizeOf(run);
  const rows: Filling[][] = [
    ['run', markup`<code>${run.id}</code>`],
    ...(run.name === null ? [] : [['name', run.name]]),
    [
      run.inputs.length === 1 ? 'input' : 'inputs',
      run.inputs.map((path) => (path === '-' ? 'stdin' : path)).join(', '),
    ],
    ['models', view.models.join(', ')],
    ['requests', `${formatCount(requests)}, ${formatBytes(bytes)} in ${plural(view.chunks['total'] ?? 0, 'chunk')}`],
    ['API', hostOf(run.origin)],
    ['submitted', shortTime(run.createdAtMs)],
    ...(run.doneAtMs === null ? [] : [['done', shortTime(run.doneAtMs)]]),
    ...(run.output === null ? [] : [['results', run.output === '-' ? 'stdout' : `${run.output} (${run.format})`]]),
    ...(run.errors === null ? [] : [['rows to mend', run.errors]]),
  ];
  return { title: 'What ran', body: dataTable({ head: ['', ''], rows }) };
}

export function settingsSection({ run, texts }: RunReport): ReportSection {
  const flags = Object.entries(run.settingHashes).filter(([, hash]) => hash !== settingHash(null));
  const named = flags.map(([flag]) => `--${flag}`).sort();
  const rows: Filling[][] = [...wishRows(run), ...settingRows(run)];
  return {
    title: 'Settings',
    body: [
      dataTable({ head: ['setting', 'value'], rows }),
      named.length === 0
        ? NOTHING
        : paragraph(
            `Given and part of the requests, so their values are kept as hashes only: ${named.join(', ')}.`,
            'quiet',
          ),
      schemaText(run, texts),
    ],
  };
}

function wishRows(run: RunRecord): Filling[][] {
  const wishes = wishesOf(run);
  const lanes = { auto: 'batches, and calls for few retries', batch: 'batches only', realtime: 'calls only' };
  return [
    ['lane', lanes[wishes.lane]],
    ['priority', wishes.priority],
    ...(wishes.deadlineMs === null ? [] : [['deadline', shortTime(wishes.deadlineMs)]]),
    ...(wishes.maxCostUsd === null
      ? []
      : [
          [
            'budget',
            `${formatUsd(wishes.maxCostUsd)}, reserved at ${wishes.budgetMode === 'worst' ? 'its worst' : 'what is expected'}`,
          ],
        ]),
    ...(wishes.pilot === 0 ? [] : [['pilot', `${plural(wishes.pilot, 'row')} first`]]),
    ...(wishes.retryTruncated === 0
      ? []
      : [['answers cut by max_tokens', `asked again up to ${wishes.retryTruncated} times`]]),
  ];
}

function settingRows(run: RunRecord): Filling[][] {
  const { settings } = run;
  const retries = { auto: 'few as calls, many in a batch', batch: 'in batches', realtime: 'as calls', none: 'never' };
  const { coalesce, cache, schema } = settings;
  const shared = [
    coalesce?.dedupe === true ? 'rows that ask the same' : '',
    coalesce?.reuse === true ? 'earlier runs' : '',
  ];
  return [
    ['tries of a row at most', formatCount(settings.maxAttempts)],
    ['retries', retries[settings.retryLane]],
    ['rows in a batch', `about ${formatCount(settings.chunkRows)}, ${formatBytes(settings.chunkBytes)} at most`],
    ['counts as failed when', settings.failIf ?? 'any row did not succeed'],
    ...(cache === undefined
      ? []
      : [['prompt cache', cache.declined === null ? cache.mode : `${cache.mode}: not used`]]),
    ...(coalesce === undefined ? [] : [['answers shared with', shared.filter((part) => part !== '').join(', ')]]),
    ...(schema === undefined ? [] : [['schema of answers', schema.file]]),
    ...(settings.columns.length === 0 ? [] : [['columns of the input', formatCount(settings.columns.length)]]),
  ];
}

function schemaText({ settings: { schema } }: RunRecord, texts: boolean): Markup {
  if (schema === undefined || !texts) return NOTHING;
  return code(cutText(JSON.stringify(schema.schema, null, 2), SCHEMA_CHARS));
}

function sizeOf({ mix }: RunRecord): { readonly requests: number; readonly bytes: number } {
  const parts = Object.values(mix);
  return {
    requests: parts.reduce((sum, { rows }) => sum + rows, 0),
    bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** Of the base URL only the host: the rest may hold what is nobody's business. */
function hostOf(origin: string): string {
  return URL.canParse(origin) ? new URL(origin).host : 'unknown';
}
