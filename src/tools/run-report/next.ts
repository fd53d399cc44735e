/**
 * What to do next, with the commands to type.
 */
import { plural } from '../../base/units.ts';
import { isHopeless } from './reasons.ts';
import type { RunReport } from './gather.ts';

export interface NextStep {
  readonly text: string;
  /** Its words; null where there is nothing to type. */
  readonly command: readonly string[] | null;
}

const STEPS_SHOWN_MAX = 8;

export function nextSteps(report: RunReport): NextStep[] {
  const steps = [...blocks(report), ...doubts(report), ...goOn(report), ...failures(report), ...rest(report)];
  if (steps.length === 0) return [{ text: 'Nothing: every row has its answer.', command: null }];
  return steps.slice(0, STEPS_SHOWN_MAX);
}

function blocks({ view }: RunReport): NextStep[] {
  return view.blocked.slice(0, 3).map(({ message, hint }) => ({ text: `${message}. ${hint}`, command: null }));
}

function doubts({ view, run }: RunReport): NextStep[] {
  if (view.blocked.length === 0) return [];
  return view.in_doubt.slice(0, 2).map((chunkNo) => ({
    text: `Nobody knows whether a batch was made of chunk ${chunkNo}: \`batchrun collect\` finds out, or say what you know with --batch ID, --not-created or --lost.`,
    command: ['resolve', run.id, '--chunk', String(chunkNo), '--not-created'],
  }));
}

function goOn({ run, view }: RunReport): NextStep[] {
  if (run.state === 'done') return [];
  const vanish = view.results_vanish_at;
  const until = vanish === null ? '' : ` The API deletes the first results on ${vanish.slice(0, 10)}.`;
  const text =
    run.state === 'canceling'
      ? 'What its batches had finished is collected, and the rest ends:'
      : `The run goes on where somebody drives it.${until}`;
  return [{ text, command: ['collect', run.id] }];
}

function failures({ run, view }: RunReport): NextStep[] {
  if (run.state !== 'done') return [];
  const { failed, expired, canceled, invalid } = run.rows;
  const steps: NextStep[] = [];
  const hopeless = Object.entries(view.failures).reduce((sum, [kind, rows]) => sum + (isHopeless(kind) ? rows : 0), 0);
  const again = Math.max(0, failed + expired + canceled - hopeless);
  if (again > 0) {
    // Only what may help: rows that the API refuses are refused again.
    const states = (['failed', 'expired', 'canceled'] as const).filter((state) => {
      return run.rows[state] > (state === 'failed' ? hopeless : 0);
    });
    const only = hopeless > 0 ? ['--only', states.join(',')] : [];
    const text = `${plural(again, 'row')} may succeed when sent again (then \`batchrun collect\`):`;
    steps.push({ text, command: ['retry', run.id, ...only] });
  }
  const toMend = hopeless + invalid;
  if (toMend > 0) {
    const cannot = `${plural(toMend, 'row')} cannot succeed as ${toMend === 1 ? 'it is' : 'they are'}`;
    const states = [hopeless > 0 ? 'failed' : '', invalid > 0 ? 'invalid' : '']
      .filter((state) => state !== '')
      .join(',');
    steps.push(
      run.errors === null
        ? { text: `${cannot}:`, command: ['results', run.id, '--only', states] }
        : { text: `${cannot}. ${run.errors} has them, to be mended and submitted again.`, command: null },
    );
  }
  return steps;
}

function rest({ run, money }: RunReport): NextStep[] {
  const steps: NextStep[] = [];
  if (money.spare.batches.length > 0) {
    steps.push({ text: 'What batches cost that nothing uses is in their results:', command: ['audit', run.id] });
  }
  const cut = run.stopReasons['max_tokens'] ?? 0;
  if (cut > 0) {
    steps.push({
      text: `${plural(cut, 'answer')} ${cut === 1 ? 'was' : 'were'} cut by max_tokens. The next run can give more with --max-tokens, or ask again with --retry-truncated.`,
      command: null,
    });
  }
  if (run.state === 'done' && run.output !== null && run.output !== '-') {
    steps.push({ text: `The results are in ${run.output}. What is in them:`, command: ['stats', run.output] });
  }
  return steps;
}
