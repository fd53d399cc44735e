/**
 * What a notice says: the JSON that a webhook gets and a command reads. Documented in .github/docs/notify.md; fields may
 * be added, never removed, and `version` changes where a meaning does.
 */
import { redact } from '../base/log.ts';
import { formatCount, plural } from '../base/units.ts';
import type { DueNotice } from './notices.ts';
import type { RunRecord } from './model.ts';

const NOTICE_VERSION = 1;

export interface NoticeBody {
  readonly version: number;
  readonly id: string;
  readonly event: string;
  readonly at: string;
  /** One line for people, as chats show it. */
  readonly text: string;
  readonly message: string;
  readonly hint: string | null;
  readonly exit: number | null;
  readonly code: string | null;
  readonly run: { readonly id: string; readonly name: string | null; readonly state: string | null };
  readonly rows: Readonly<Record<string, number>> | null;
  readonly cost_usd: { readonly spent: number | null; readonly budget: number | null };
  readonly details: Readonly<Record<string, unknown>>;
  readonly host: string;
  readonly state: string;
  readonly command: string;
}

/** Who sends it, the same for all of a process. */
export interface NoticeSender {
  readonly host: string;
  /** The state folder. */
  readonly state: string;
  readonly command: string;
}

/** What the ledger says at the moment of sending; null where it cannot be read. */
export interface NoticeFacts {
  readonly run: RunRecord | null;
  readonly spentUsd: number | null;
  readonly budgetUsd: number | null;
}

export function noticeBody(due: DueNotice, facts: NoticeFacts, sender: NoticeSender): NoticeBody {
  const { id, runId, event, atMs, message, hint, exit, code, details } = due;
  const { run } = facts;
  const name = run?.name ?? null;
  return {
    version: NOTICE_VERSION,
    id,
    event,
    at: new Date(atMs).toISOString(),
    text: redact(`batchrun: ${called(runId, name)}: ${message}${hint === null ? '' : `\n${hint}`}`),
    message: redact(message),
    hint: hint === null ? null : redact(hint),
    exit,
    code,
    run: { id: runId, name, state: run?.state ?? null },
    rows: run === null ? null : { total: run.totalRows, ...run.rows },
    cost_usd: { spent: facts.spentUsd, budget: facts.budgetUsd },
    details,
    ...sender,
  };
}

function called(runId: string, name: string | null): string {
  return name === null ? runId : `${name} (${runId})`;
}

/** How a finished run is told. */
export function endText({ rows, totalRows, canceled }: RunRecord): string {
  const rest = totalRows - rows.succeeded;
  const all = plural(totalRows, 'row');
  if (rest === 0) return `done, all of its ${all} succeeded`;
  const words = (['failed', 'expired', 'canceled', 'invalid'] as const).flatMap((state) =>
    rows[state] === 0 ? [] : [`${formatCount(rows[state])} ${state}`],
  );
  return `${canceled ? 'canceled' : 'done'}, ${formatCount(rows.succeeded)} of its ${all} succeeded (${words.join(', ')})`;
}
