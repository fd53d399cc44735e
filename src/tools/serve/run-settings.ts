/**
 * The settings of a run as the page lists them: what was asked for, in the words of the flags. No prompts: the ledger has
 * none.
 */
import { wishesOf, type RunRecord } from '../../domain/model.ts';

export interface SettingView {
  readonly name: string;
  readonly value: string;
}

export function settingsOf(run: RunRecord): SettingView[] {
  const { settings, mix } = run;
  const wishes = wishesOf(run);
  const models = Object.entries(mix).map(([model, part]) => `${model} (${part.rows} rows)`);
  const listed: [string, string | null][] = [
    ['models', models.join(', ')],
    ['lane', wishes.lane],
    ['priority', wishes.priority],
    ['deadline', wishes.deadlineMs === null ? null : new Date(wishes.deadlineMs).toISOString()],
    ['max cost', wishes.maxCostUsd === null ? null : `$${wishes.maxCostUsd} (${wishes.budgetMode})`],
    ['pilot', wishes.pilot === 0 ? null : `${wishes.pilot} rows`],
    ['chunk size', `${settings.chunkRows} rows, ${settings.chunkBytes} bytes at most`],
    ['max attempts', String(settings.maxAttempts)],
    ['retry lane', settings.retryLane],
    ['retry truncated', wishes.retryTruncated === 0 ? null : String(wishes.retryTruncated)],
    ['answers', settings.schema ? `follow a schema; where one does not: ${wishes.onSchemaError}` : null],
    ['prompt cache', settings.cache ? 'yes' : null],
    ['ask once', settings.coalesce ? 'rows that ask the same share an answer' : null],
    ['fail if', settings.failIf],
    ['output', run.output === '-' ? 'stdout' : run.output],
    ['format', run.format],
    ['errors', run.errors],
    ['columns', settings.columns.length === 0 ? null : settings.columns.join(', ')],
    ['base URL', run.origin],
    ['workspace', run.workspace],
    ['changed settings', Object.keys(run.settingHashes).join(', ')],
  ];
  return listed.flatMap(([name, value]) => (value === null || value === '' ? [] : [{ name, value }]));
}
