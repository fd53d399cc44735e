/**
 * Prompt templates: text with `{{column}}` in it. No code, no conditions: what a row can put in is text.
 *
 * `{{user.name}}` and `{{tags.0}}` reach into JSON values; a column of exactly that name goes first. Values that are
 * not text are written as JSON. What was put in is never looked at again for placeholders, so a row cannot read
 * another column. Only a value's own keys are found, never what JavaScript adds to it (`constructor`, `__proto__`).
 * Literal braces: single braces and `}}` need nothing; `{{{{` writes `{{`.
 */
import { BatchrunError } from '../../base/errors.ts';
import { closest } from './closest.ts';
import { cutText, type Cut, type Cuts } from './cuts.ts';

export type Rendering =
  /** `cut`: what was shortened; missing where nothing was. */
  | { readonly ok: true; readonly text: string; readonly cut?: readonly Cut[] }
  | { readonly ok: false; readonly missing: string };

export interface Template {
  readonly text: string;
  /** What stands before the first placeholder, as it comes out: the same for every row. */
  readonly head: string;
  /** The names in it, each once, in order of first appearance. */
  readonly placeholders: readonly string[];
  /** With the values of a record; `missing` names the first placeholder that has none (null counts as none). */
  render(record: Readonly<Record<string, unknown>>): Rendering;
}

interface Placeholder {
  readonly name: string;
  readonly path: readonly string[];
  readonly cut: Cut | undefined;
}

/** `flag` is what the user gave the text with: it is named in errors. `cuts`: of --truncate. */
export function compileTemplate(text: string, flag = '--prompt', cuts?: Cuts): Template {
  const literals: string[] = [''];
  const holes: Placeholder[] = [];
  const add = (literal: string): void => void literals.push((literals.pop() ?? '') + literal);
  for (let at = 0; at < text.length;) {
    const open = text.indexOf('{', at);
    if (open < 0) {
      add(text.slice(at));
      break;
    }
    let end = open;
    while (text[end] === '{') end++;
    const braces = end - open;
    // Each four are a literal `{{`; of what is left, the last two open a placeholder.
    const rest = braces % 4;
    add(text.slice(at, open) + '{{'.repeat((braces - rest) / 4) + (rest % 2 === 1 ? '{' : ''));
    at = end;
    if (rest < 2) continue;
    const close = text.indexOf('}}', end);
    holes.push(placeholder(text, { end, close, flag, cuts }));
    literals.push('');
    at = close + 2;
  }
  const [head = ''] = literals;
  return { text, head, placeholders: [...new Set(holes.map((hole) => hole.name))], render: renderer(literals, holes) };
}

function placeholder(
  text: string,
  found: { end: number; close: number; flag: string; cuts: Cuts | undefined },
): Placeholder {
  const { end, close, flag } = found;
  if (close < 0) {
    throw new BatchrunError('E_TEMPLATE', `${flag} has a {{ at character ${end - 1} that is never closed with }}`, {
      hint: 'Close it, or write {{{{ for two braces that are only text.',
    });
  }
  const name = text.slice(end, close).trim();
  if (name === '') {
    throw new BatchrunError('E_TEMPLATE', `${flag} has an empty {{}} at character ${end - 1}`, {
      hint: 'Put the name of a column between the braces, or write {{{{ for two braces that are only text.',
    });
  }
  return { name, path: name.split('.'), cut: found.cuts?.get(name) };
}

function renderer(literals: readonly string[], holes: readonly Placeholder[]): Template['render'] {
  return (record) => {
    let text = literals[0] ?? '';
    let cut: Cut[] | undefined;
    for (let index = 0; index < holes.length; index++) {
      const hole = holes[index];
      if (hole === undefined) break;
      const value = valueOf(record, hole);
      if (value === null || value === undefined) return { ok: false, missing: hole.name };
      const filling = typeof value === 'string' ? value : JSON.stringify(value);
      if (hole.cut === undefined || filling.length <= hole.cut.chars) text += filling;
      else {
        const short = cutText(filling, hole.cut.chars);
        if (short.length < filling.length) (cut ??= []).push(hole.cut);
        text += short;
      }
      text += literals[index + 1] ?? '';
    }
    return cut === undefined ? { ok: true, text } : { ok: true, text, cut };
  };
}

function valueOf(record: Readonly<Record<string, unknown>>, hole: Placeholder): unknown {
  if (Object.hasOwn(record, hole.name)) return record[hole.name];
  let value: unknown = record;
  for (const key of hole.path) {
    // Of an array only its elements: `length` is not something that the row says.
    const reachable = Array.isArray(value) ? /^\d+$/.test(key) : typeof value === 'object' && value !== null;
    if (!reachable || !Object.hasOwn(value as object, key)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[key];
  }
  return value;
}

/**
 * Holds a template against the columns of the input. Without columns (JSON inputs) every row answers for itself.
 * A dotted name needs a column of that name, because a CSV cell is text and has nothing inside.
 */
export function assertPlaceholders(template: Template, columns: readonly string[], flag = '--prompt'): void {
  if (columns.length === 0) return;
  const known = new Set(columns);
  const unknown = template.placeholders.filter((name) => !known.has(name));
  if (unknown.length === 0) return;
  const names = unknown.map((name) => `{{${name}}}`).join(', ');
  const nearest = closest(unknown[0] ?? '', columns);
  const meant = nearest === undefined ? '' : ` Did you mean {{${nearest}}}?`;
  throw new BatchrunError(
    'E_TEMPLATE',
    `${flag} names ${names}, but the input has the columns: ${columns.join(', ')}`,
    {
      hint: `Every placeholder must be a column of the input.${meant} For braces that are only text write {{{{.`,
      details: { unknown, columns },
    },
  );
}

/**
 * A prompt with nothing to fill in, but `{column}` in it, meant `{{column}}`: each row would be paid for the same request.
 * Other single braces are text, as in a prompt that shows JSON.
 */
export function assertNoSingleBraces(template: Template, columns: readonly string[], flag = '--prompt'): void {
  const column = columns.find((name) => isInSingleBraces(template.text, name));
  if (column === undefined) return;
  throw new BatchrunError(
    'E_TEMPLATE',
    `${flag} has {${column}} in single braces, which are only text: every row would send the same request`,
    { hint: `Write {{${column}}} to put the column in.`, details: { columns } },
  );
}

/** `{name}`, and not as a part of `{{name}}`, which is how the text of an escape (`{{{{name}}}}`) shows. */
function isInSingleBraces(text: string, name: string): boolean {
  for (let at = text.indexOf(`{${name}}`); at >= 0; at = text.indexOf(`{${name}}`, at + 1)) {
    if (text[at - 1] !== '{' && text[at + name.length + 2] !== '}') return true;
  }
  return false;
}
