/**
 * On which line of a JSON text a key stands, so that a message can name it. The text has been parsed already and is
 * known to be JSON; the package for YAML knows places too, but takes 28 ms to load.
 */

export interface KeyPlaces {
  /** The line, from 1, of the key at a path; undefined where there is none. */
  readonly lineOf: (path: readonly string[]) => number | undefined;
  /** Keys that are in their object twice: JSON.parse keeps the last of them in silence. */
  readonly twice: readonly { readonly key: string; readonly line: number }[];
}

interface Level {
  readonly isObject: boolean;
  readonly path: string;
  readonly keys: Set<string>;
  key: string;
  expectsKey: boolean;
}

export function keyPlaces(json: string): KeyPlaces {
  const lines = new Map<string, number>();
  const twice: { key: string; line: number }[] = [];
  const levels: Level[] = [];
  let line = 1;
  for (let at = 0; at < json.length; at++) {
    const level = levels.at(-1);
    switch (json[at]) {
      case '\n':
        line++;
        break;
      case '{':
      case '[':
        levels.push({
          isObject: json[at] === '{',
          path: level ? join(level.path, level.key) : '',
          keys: new Set(),
          key: '',
          expectsKey: json[at] === '{',
        });
        break;
      case '}':
      case ']':
        levels.pop();
        break;
      case ',':
        if (level) level.expectsKey = level.isObject;
        break;
      case '"': {
        const end = closingQuote(json, at);
        if (level?.expectsKey === true) {
          const key = String(JSON.parse(json.slice(at, end + 1)));
          Object.assign(level, { key, expectsKey: false });
          lines.set(join(level.path, key), line);
          if (level.keys.has(key)) twice.push({ key, line });
          level.keys.add(key);
        }
        at = end;
        break;
      }
      default:
        break;
    }
  }
  return { lineOf: (path) => lines.get(path.reduce(join, '')), twice };
}

function join(path: string, key: string): string {
  return `${path}/${JSON.stringify(key)}`;
}

function closingQuote(json: string, opening: number): number {
  let at = opening + 1;
  while (at < json.length && json[at] !== '"') at += json[at] === '\\' ? 2 : 1;
  return at;
}
