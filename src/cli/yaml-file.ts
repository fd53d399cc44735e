/**
 * YAML with the lines of its keys. Loaded only where a file is YAML: the package takes 28 ms. YAML 1.2 as JSON knows it:
 * `no` and `06:00` are texts. Messages quote nothing of the file.
 */
import { isMap, isScalar, LineCounter, parseDocument, type ParsedNode } from 'yaml';
import { messageOf } from '../base/errors.ts';

export interface YamlText {
  readonly value: unknown;
  /** The line, from 1, of the key at a path; undefined where there is none, or an alias stands for it. */
  readonly lineOf: (path: readonly string[]) => number | undefined;
  readonly problem?: { readonly line: number; readonly message: string };
}

/** Aliases that are resolved: a small file must not become a large value. */
const ALIASES_MAX = 100;

export function parseYaml(text: string): YamlText {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { prettyErrors: false, lineCounter, strict: true, uniqueKeys: true });
  const lineAt = (offset: number): number => lineCounter.linePos(offset).line;
  const lineOf = (path: readonly string[]): number | undefined => {
    const offset = keyOffset(document.contents, path);
    return offset === undefined ? undefined : lineAt(offset);
  };
  const [error] = document.errors;
  if (error) {
    return { value: null, lineOf, problem: { line: lineAt(error.pos[0]), message: withoutQuotes(error.message) } };
  }
  try {
    return { value: document.toJS({ maxAliasCount: ALIASES_MAX }) as unknown, lineOf };
  } catch (error) {
    return { value: null, lineOf, problem: { line: 1, message: withoutQuotes(messageOf(error)) } };
  }
}

function keyOffset(node: ParsedNode | null, path: readonly string[]): number | undefined {
  const [name, ...rest] = path;
  if (name === undefined || !isMap(node)) return undefined;
  for (const { key, value } of node.items) {
    if (!isScalar(key) || String(key.value) !== name) continue;
    return rest.length === 0 ? key.range[0] : keyOffset(value, rest);
  }
  return undefined;
}

/** What stands in the file may be a key. */
function withoutQuotes(message: string): string {
  return (
    message
      .split('\n')[0]
      ?.replace(/: [^:]*$/, '')
      .slice(0, 160) ?? ''
  );
}
