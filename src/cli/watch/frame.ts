/**
 * The whole screen of `status --watch`: a progress view and a size in, so many lines out. Pure. Runs are shown as large as
 * there is room for, below them the limits in use and the last events; what has no room is reached by scrolling.
 */
import { formatCount, plural } from '../../base/units.ts';
import { usedLately, type LimitsView, type LimitView } from '../../engine/views/limits-view.ts';
import type { RunView } from '../../engine/views/status.ts';
import type { ProgressView } from '../../tools/progress/view.ts';
import type { Symbols } from '../terminal/symbols.ts';
import { bar } from '../terminal/ui.ts';
import { wordEvents } from './event-words.ts';
import { apart, fit, part, widthOfLine, type Line } from './line.ts';
import { runLines, type Size } from './run-lines.ts';

export interface FrameOptions {
  readonly columns: number;
  readonly rows: number;
  readonly symbols: Symbols;
  /** The first line of the body that is shown. */
  readonly scroll: number;
  readonly help: boolean;
  readonly stateFolder: string;
  /** What to type where nobody drives. */
  readonly driveCommand: string;
  /** A time as people of this place read it: to the minute, or to the second. */
  readonly timeText: (ms: number, seconds?: boolean) => string;
}

export interface Frame {
  /** Exactly as many as there are rows. */
  readonly lines: readonly Line[];
  /** How far it can be scrolled. */
  readonly scrollMax: number;
}

const SIZES: readonly Size[] = ['all', 'head', 'line'];

export function drawFrame(view: ProgressView, options: FrameOptions): Frame {
  const room = Math.max(1, options.rows - 2);
  const body = options.help ? HELP.map((text): Line => [{ text }]) : bodyOf(view, room, options);
  const scrollMax = Math.max(0, body.length - room);
  const scroll = Math.min(options.scroll, scrollMax);
  const shown = body.slice(scroll, scroll + room);
  const filled = [...shown, ...Array.from({ length: room - shown.length }, (): Line => [])];
  const lines = [headLine(view, options), ...filled, footLine(options, { scroll, scrollMax })];
  return { lines: lines.slice(0, options.rows), scrollMax };
}

function bodyOf(view: ProgressView, room: number, options: FrameOptions): Line[] {
  let runs: Line[] = [];
  for (const size of SIZES) {
    runs = allRuns(view, size, options);
    if (runs.length <= room) break;
  }
  return [...runs, ...limitLines(view.limits, options), ...eventLines(view, options)];
}

/** Those that go on first; of what is done a line is enough. */
function allRuns(view: ProgressView, size: Size, options: FrameOptions): Line[] {
  if (view.runs.length === 0) return [[{ text: 'No runs yet. Start with: batchrun submit <input>' }]];
  const given = { ...options, nowMs: Date.parse(view.at) };
  const isDone = ({ state }: RunView): boolean => state === 'done';
  const open = view.runs.filter((run) => !isDone(run));
  const lines = open.flatMap((run, at) => {
    const block = runLines(run, view.pace[run.id], { ...given, size });
    return at > 0 && size !== 'line' ? [[], ...block] : block;
  });
  const done = view.runs.filter(isDone).flatMap((run) => runLines(run, undefined, { ...given, size: 'line' }));
  const hidden = `and ${plural(view.hidden_runs, 'older finished run')}: batchrun list`;
  const rest: Line[] = view.hidden_runs > 0 ? [...done, [{ text: hidden, style: 'dim' }]] : done;
  return lines.length > 0 && rest.length > 0 && size !== 'line' ? [...lines, [], ...rest] : [...lines, ...rest];
}

function headLine(view: ProgressView, options: FrameOptions): Line {
  const { driver, runs } = view;
  const isOpen = runs.some((run) => run.state !== 'done');
  const who =
    driver === null
      ? part(0, isOpen ? `nobody drives: ${options.driveCommand}` : '', 'yellow')
      : part(0, `driven by ${driver.command} (pid ${driver.pid})`, 'green');
  const right = [{ text: options.timeText(Date.parse(view.at), true), style: 'dim' as const }];
  const room = options.columns - widthOfLine(right) - 2;
  const left = [part(1, 'batchrun', 'bold'), who, part(2, options.stateFolder, 'dim')];
  return apart(fit(left, room), right, options.columns);
}

function footLine({ columns, symbols, help }: FrameOptions, at: { scroll: number; scrollMax: number }): Line {
  const below = at.scrollMax - at.scroll;
  const isMore = at.scrollMax > 0;
  return fit(
    [
      part(0, 'q quit', 'dim'),
      part(2, help ? 'h back' : 'h help', 'dim'),
      part(3, isMore ? `${symbols.up}${symbols.down} scroll` : '', 'dim'),
      part(1, below > 0 ? `${symbols.down} ${plural(below, 'more line')}` : ''),
      part(1, at.scroll > 0 ? `${symbols.up} ${plural(at.scroll, 'line')} above` : ''),
    ],
    columns,
  );
}

const HELP: readonly string[] = [
  'q, Ctrl-C      leave; the work goes on',
  'arrows, j k    a line up or down',
  'PgUp, PgDn     a page up or down (also b and space)',
  'Home, End      to the beginning or the end (also g and G)',
  'h, ?           this help',
  '',
  'The screen only looks: batchrun collect drives the runs, batchrun log has all events,',
  'batchrun status --json has all numbers. It ends when all runs are done.',
];

function limitLines(limits: readonly LimitsView[], options: FrameOptions): Line[] {
  const used = usedLately(limits).filter((view) => view.limits.some(({ share }) => share !== null));
  if (used.length === 0) return [];
  const lines: Line[] = [[], [{ text: 'limits', style: 'bold' }]];
  const names = Math.max(...used.map((view) => view.rate_class.length));
  const kinds = Math.max(...used.flatMap((view) => view.limits.map((limit) => kindOf(limit).length)));
  for (const view of used) {
    const known = view.limits.filter(({ share }) => share !== null);
    known.forEach((limit, at) => {
      const name = (at === 0 ? view.rate_class : '').padEnd(names);
      lines.push(limitLine(limit, { name, kind: kindOf(limit).padEnd(kinds) }, options));
    });
    if (view.paused_until !== null) {
      const until = options.timeText(Date.parse(view.paused_until), true);
      lines.push([
        {
          text: `  ${options.symbols.warn} calls of ${view.rate_class} wait until ${until}: the API asks for it`,
          style: 'yellow',
        },
      ]);
    }
  }
  return lines;
}

function limitLine(limit: LimitView, { name, kind }: { name: string; kind: string }, options: FrameOptions): Line {
  const share = limit.share ?? 0;
  const style = limit.warning ? 'yellow' : 'green';
  const width = Math.min(24, Math.max(8, Math.floor(options.columns / 5)));
  return fit(
    [
      part(0, name),
      part(1, kind, 'dim'),
      { rank: 2, spans: [{ text: bar(share, width, options.symbols), style }] },
      part(0, `${String(Math.floor(share * 100 + 1e-9)).padStart(3)} %`, limit.warning ? 'yellow' : undefined),
      part(3, `${formatCount(limit.used ?? 0)} of ${formatCount(limit.value)}`, 'dim'),
    ],
    options.columns,
    '  ',
  );
}

function kindOf({ name }: LimitView): string {
  return KINDS[name] ?? name;
}

const KINDS: Readonly<Record<string, string>> = {
  requests: 'requests/min',
  input: 'input tokens/min',
  output: 'output tokens/min',
  tokens: 'tokens/min',
  day: 'tokens/day',
  queue: 'requests queued',
  batches: 'batches open',
};

/** The newest first: what is older has no room, or is scrolled to. */
function eventLines(view: ProgressView, options: FrameOptions): Line[] {
  const names = new Map(view.runs.map((run) => [run.id, run.name ?? run.id]));
  const events = wordEvents(view.events).filter(({ run }) => names.has(run));
  if (events.length === 0) return [];
  const isOne = names.size === 1;
  const lines = events.map((event): Line => {
    const time = part(0, options.timeText(Date.parse(event.time), true), 'dim');
    const name = part(1, isOne ? '' : (names.get(event.run) ?? ''), 'dim');
    return fit([time, part(0, event.text, event.style), name], options.columns, '  ');
  });
  return [[], [{ text: 'last events', style: 'bold' }], ...lines];
}
