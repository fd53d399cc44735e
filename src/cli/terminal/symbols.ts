/**
 * What a terminal can show: whether it takes UTF-8, and colours, as its environment says. Messages are written with
 * `…`, `→` and their kin; where the terminal does not take them they are folded to ASCII on the way out, in one place.
 * JSON and files are UTF-8 always and never come through here.
 */

/** The signs that drawings are made of: each one column wide. */
export interface Symbols {
  readonly unicode: boolean;
  readonly full: string;
  /** The end of a bar, from the shortest to the longest. */
  readonly partial: readonly string[];
  readonly empty: string;
  /** What a bar of outcomes is made of: they differ without colours too. */
  readonly outcomes: { readonly good: string; readonly bad: string; readonly busy: string; readonly open: string };
  readonly ellipsis: string;
  readonly dot: string;
  readonly tick: string;
  readonly cross: string;
  readonly warn: string;
  readonly up: string;
  readonly down: string;
  readonly rule: string;
}

const UNICODE: Symbols = {
  unicode: true,
  full: '━',
  partial: ['╸'],
  empty: '─',
  outcomes: { good: '█', bad: '▚', busy: '▒', open: '░' },
  ellipsis: '…',
  dot: '·',
  tick: '✓',
  cross: '✗',
  warn: '!',
  up: '↑',
  down: '↓',
  rule: '─',
};

const ASCII: Symbols = {
  unicode: false,
  full: '#',
  partial: [],
  empty: '.',
  outcomes: { good: '#', bad: 'x', busy: '=', open: '.' },
  ellipsis: '~',
  dot: '-',
  tick: '+',
  cross: 'x',
  warn: '!',
  up: '^',
  down: 'v',
  rule: '-',
};

export function symbolsOf(unicode: boolean): Symbols {
  return unicode ? UNICODE : ASCII;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Does a terminal with this environment show UTF-8? As in every program, LC_ALL goes before LC_CTYPE before LANG. */
export function takesUnicode(env: Environment, platform: NodeJS.Platform = process.platform): boolean {
  // The console of Linux has a font of 256 signs.
  if (env['TERM'] === 'linux') return false;
  const locale = [env['LC_ALL'], env['LC_CTYPE'], env['LANG']].find((one) => one !== undefined && one !== '') ?? '';
  if (locale !== '') return /utf-?8/i.test(locale);
  if (platform === 'win32') {
    const modern = env['WT_SESSION'] ?? env['ConEmuTask'] ?? env['TERMINUS_SUBLIME'];
    return Boolean(modern) || env['TERM_PROGRAM'] === 'vscode' || /^(xterm|alacritty|rxvt)/.test(env['TERM'] ?? '');
  }
  // Every terminal of macOS does, and over ssh it often says nothing. Elsewhere no locale is the locale C.
  return platform === 'darwin';
}

/**
 * Colours on a stream? --no-color and NO_COLOR say no whatever else is said, FORCE_COLOR and CLICOLOR_FORCE yes even to
 * a file, TERM=dumb and CLICOLOR=0 no; else it is whether a terminal is there.
 */
export function takesColor(
  env: Environment,
  { flag, isTty }: { readonly flag: boolean; readonly isTty: boolean },
): boolean {
  if (!flag || env['NO_COLOR']) return false;
  const forced = env['FORCE_COLOR'];
  if (forced !== undefined) return forced !== '0' && forced !== 'false';
  const { CLICOLOR_FORCE: always = '', CLICOLOR: wanted } = env;
  if (always !== '' && always !== '0') return true;
  return isTty && env['TERM'] !== 'dumb' && wanted !== '0';
}

const FOLDED: Readonly<Record<string, string>> = {
  '…': '...',
  '·': '-',
  '→': '->',
  '←': '<-',
  '×': 'x',
  '–': '-',
  '—': '-',
  '≤': '<=',
  '≥': '>=',
  '±': '+-',
  '“': '"',
  '”': '"',
  '‘': "'",
  '’': "'",
};
const FOLDABLE = new RegExp(`[${Object.keys(FOLDED).join('')}]`, 'gu');

/** Our own signs as ASCII. What users wrote stays as it is, whether or not it can be shown. */
export function folded(text: string): string {
  return text.replace(FOLDABLE, (sign) => FOLDED[sign] ?? sign);
}

/** Sequences other than those of colours, controls, and what turns the direction of writing. */
const HARMFUL = /\u001b(?!\[[\d;]*m)|[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** Names, and what the API says, must not steer the terminal. */
export function harmless(text: string): string {
  return text.replace(HARMFUL, '');
}
