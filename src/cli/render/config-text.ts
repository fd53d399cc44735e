/**
 * What `batchrun config` shows: first what somebody has set, then the defaults, then what is not set at all.
 */
import { relative } from 'node:path';
import { createPaint, type Paint } from '../terminal/ui.ts';

/** Where a value is from, with what finds it again. */
export type ValueSource =
  | { readonly source: 'flag' | 'default' | 'unset' }
  | { readonly source: 'environment'; readonly variable: string }
  | { readonly source: 'profile'; readonly profile: string; readonly file: string; readonly line: number }
  | { readonly source: 'file'; readonly file: string; readonly line: number };

export type ConfigValue = ValueSource & {
  readonly flag: string;
  /** As it was written; null where there is none. */
  readonly value: string | number | boolean | null;
};

export interface ConfigView {
  readonly command: string | null;
  readonly file: string | null;
  readonly profile: string | null;
  readonly values: readonly ConfigValue[];
  /** Variables that are not flags and count too, keys masked. */
  readonly environment: readonly { readonly name: string; readonly value: string }[];
  /** Variables that look like flags and are none: most likely a slip. */
  readonly unknown_variables: readonly { readonly name: string; readonly meant: string | null }[];
}

const VALUE_CHARS_MAX = 60;

export function configText(view: ConfigView, { color }: { readonly color: boolean }): string {
  const paint = createPaint(color);
  const set = view.values.filter(({ source }) => source !== 'default' && source !== 'unset');
  const defaults = view.values.filter(({ source }) => source === 'default');
  const unset = view.values.filter(({ source }) => source === 'unset').map(({ flag }) => flag);
  const blocks = [
    headText(view, paint),
    set.length === 0 ? '  nothing is set: the defaults count' : columns(set.map(cells)),
    `${paint.bold('defaults')}\n${columns(defaults.map(({ flag, value }) => [flag, shown(value)]))}`,
    unset.length === 0 ? '' : `${paint.bold('not set')}\n${wrapped(unset)}`,
    environmentText(view, paint),
  ];
  return blocks.filter((block) => block !== '').join('\n\n');
}

function headText({ command, file, profile }: ConfigView, paint: Paint): string {
  const what = paint.bold(command === null ? 'all flags' : `batchrun ${command}`);
  const from = file === null ? 'no configuration file here (`batchrun init` writes one)' : place(file);
  return `${what}  ${paint.dim(`${from}${profile === null ? '' : `, profile ${profile}`}`)}`;
}

function cells(value: ConfigValue): string[] {
  return [value.flag, shown(value.value), sourceText(value)];
}

function sourceText(value: ConfigValue): string {
  switch (value.source) {
    case 'environment':
      return value.variable;
    case 'profile':
      return `profile ${value.profile}, ${place(value.file)}:${value.line}`;
    case 'file':
      return `${place(value.file)}:${value.line}`;
    case 'flag':
      return `--${value.flag}`;
    default:
      return value.source;
  }
}

function environmentText({ environment, unknown_variables: unknown }: ConfigView, paint: Paint): string {
  const lines = unknown.map(
    ({ name, meant }) => `  ! ${name} is no flag of batchrun${meant === null ? '' : ` (did you mean ${meant}?)`}`,
  );
  if (environment.length === 0 && lines.length === 0) return '';
  const rows = environment.length === 0 ? [] : [columns(environment.map(({ name, value }) => [name, value]))];
  return [paint.bold('environment'), ...rows, ...lines.map((line) => paint.yellow(line))].join('\n');
}

/** Values are texts, also where they are numbers: all of them stand to the left. */
function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, at) => (widths[at] = Math.max(widths[at] ?? 0, cell.length)));
  return rows.map((row) => `  ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ')}`.trimEnd()).join('\n');
}

/** Below the working directory as it would be typed there. */
function place(file: string): string {
  const near = relative('', file);
  return near.startsWith('..') ? file : near;
}

function shown(value: ConfigValue['value']): string {
  const text = JSON.stringify(value);
  const plain = typeof value === 'string' && /^[^\s"']+$/.test(value) ? value : text;
  return plain.length > VALUE_CHARS_MAX ? `${plain.slice(0, VALUE_CHARS_MAX)}…` : plain;
}

const LINE_CHARS_MAX = 100;

function wrapped(words: readonly string[]): string {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length + 2 <= LINE_CHARS_MAX)
      lines[lines.length - 1] = `${last}, ${word}`;
    else lines.push(word);
  }
  return lines.map((line) => `  ${line}`).join('\n');
}
