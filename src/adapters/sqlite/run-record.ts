/**
 * Between the columns of the `runs` table and a RunRecord.
 */
import {
  ROW_STATES,
  type Block,
  type ModelMix,
  type OutputFormat,
  type RowCounts,
  type RowState,
  type RunRecord,
  type RunSettings,
  type RunState,
} from '../../domain/model.ts';

export interface RunColumns {
  id: string;
  name: string | null;
  state: RunState;
  fingerprint: string | null;
  again_no: number;
  canceled: number;
  origin: string;
  workspace: string;
  created_at_ms: number;
  ready_at_ms: number | null;
  done_at_ms: number | null;
  inputs: string;
  settings: string;
  setting_hashes: string;
  output: string | null;
  format: OutputFormat;
  errors: string | null;
  overwrite: number;
  total_rows: number;
  mix: string;
  blocked: string;
  stop_reasons: string;
  realtime_log_bytes: number;
  realtime_reserved_usd: number;
}

type RowCountColumns = Readonly<Record<`row_${RowState}`, number>>;

export function toRun(columns: RunColumns & RowCountColumns): RunRecord {
  const rows = Object.fromEntries(ROW_STATES.map((state) => [state, columns[`row_${state}`]])) as RowCounts;
  return {
    id: columns.id,
    name: columns.name,
    state: columns.state,
    fingerprint: columns.fingerprint,
    againNo: columns.again_no,
    origin: columns.origin,
    workspace: columns.workspace,
    createdAtMs: columns.created_at_ms,
    readyAtMs: columns.ready_at_ms,
    doneAtMs: columns.done_at_ms,
    inputs: JSON.parse(columns.inputs) as string[],
    settings: JSON.parse(columns.settings) as RunSettings,
    settingHashes: JSON.parse(columns.setting_hashes) as Record<string, string>,
    output: columns.output,
    format: columns.format,
    errors: columns.errors,
    overwrite: columns.overwrite === 1,
    totalRows: columns.total_rows,
    rows,
    mix: JSON.parse(columns.mix) as ModelMix,
    blocked: JSON.parse(columns.blocked) as Block[],
    realtimeLogBytes: columns.realtime_log_bytes,
    realtimeReservedUsd: columns.realtime_reserved_usd,
    stopReasons: JSON.parse(columns.stop_reasons) as Record<string, number>,
    canceled: columns.canceled === 1,
  };
}
