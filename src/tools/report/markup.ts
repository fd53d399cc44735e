/**
 * HTML that is put together safely: whatever is filled into a template is escaped, unless it is markup itself. Texts of
 * users (file names, columns, model names) come in here and must never become tags.
 */

export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type Filling = Markup | string | number | null | undefined | readonly Filling[];

/** A template whose fillings are escaped; null and undefined leave nothing. (Not called `html`: the formatter would reflow it.) */
export function markup(parts: TemplateStringsArray, ...fillings: readonly Filling[]): Markup {
  let text = parts[0] ?? '';
  fillings.forEach((filling, at) => (text += filled(filling) + (parts[at + 1] ?? '')));
  return new Markup(text);
}

export const NOTHING = new Markup('');

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => ENTITIES[char] ?? char);
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** JSON inside a script element: nothing in it can end the element or begin a comment. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (char) => {
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

function filled(filling: Filling): string {
  if (filling === null || filling === undefined) return '';
  if (filling instanceof Markup) return filling.text;
  if (typeof filling === 'string') return escapeHtml(filling);
  if (typeof filling === 'number') return String(filling);
  return filling.map(filled).join('');
}
