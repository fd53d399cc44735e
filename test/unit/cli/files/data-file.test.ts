/** Files that people write by hand, JSON or YAML: what they come to, and where they are broken. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readDataFile, readDataValue } from '../../../../src/cli/files/data-file.ts';
import { tempFolder } from '../../../support/temp.ts';

function file(name: string, text: string): string {
  const path = join(tempFolder(), name);
  writeFileSync(path, text);
  return path;
}

function complaint(name: string, text: string): string {
  const path = file(name, text);
  try {
    readDataValue(path, { what: 'rules' });
  } catch (error) {
    expect(error).toMatchObject({ code: 'E_CONFIG' });
    return (error as Error).message.replace(path, name);
  }
  throw new Error('it was read');
}

describe('a file of settings', () => {
  it.each([
    ['a.json', '\uFEFF{"a": [1, null]}'],
    ['a.yaml', '# said\na:\n  - 1\n  - null\n'],
    ['a.yml', 'x: &x 1\na: [*x, ~]\n'],
    ['a', '{"a": [1, null]}'],
    ['a', 'a: [1, null]'],
  ])('%s is read: %j', (name, text) => {
    expect(readDataValue(file(name, text), { what: 'rules' })).toMatchObject({ a: [1, null] });
  });

  it.each([
    ['a.json', '{\n  "a": 1,\n}', 'a.json:3: not valid JSON: Expected double-quoted property name'],
    ['a.json', '{\n"a": x}', "a.json:2: not valid JSON: Unexpected token 'x'"],
    ['a.json', '[1,\n2,,3]', "a.json:2: not valid JSON: Unexpected token ','"],
    ['a.json', '{\n\n"a":', 'a.json:3: not valid JSON: Unexpected end of JSON input'],
    ['a.json', '', 'a.json:1: not valid JSON: Unexpected end of JSON input'],
    ['a.yaml', 'a: 1\nb: 2\na: 3\n', 'a.yaml:3: not valid YAML: Map keys must be unique'],
    ['a.yaml', 'a:\n  - [1\n', 'a.yaml:3: not valid YAML: Flow sequence in block collection must be'],
    ['a.json', '{"a": 1,\n"b": {"a": 2},\n"a": 3}', 'a.json:3: "a" is there twice'],
    ['a.yaml', '# nothing\n', 'a.yaml is empty: rules go there'],
    ['a.json', 'null', 'a.json is empty: rules go there'],
  ])('%s that is %j is refused with its line', (name, text, message) => {
    expect(complaint(name, text)).toContain(message);
  });

  it('quotes nothing of the text', () => {
    expect(complaint('a.json', '{"key": sk-secret-secret}')).not.toContain('secret');
  });

  it('that unfolds into a million values is refused', () => {
    const bomb = ['a: &a [x, x, x, x, x, x, x, x, x, x]'];
    for (const [name, of] of ['ba', 'cb', 'dc', 'ed', 'fe'].map((pair) => [pair[0], pair[1]]))
      bomb.push(`${name}: &${name} [${Array<string>(10).fill(`*${of}`).join(', ')}]`);
    expect(complaint('a.yaml', bomb.join('\n'))).toContain('not valid YAML: Excessive alias count');
  });

  it('that is larger than any settings is not read', () => {
    expect(complaint('a.json', `"${'x'.repeat(4 * 1024 * 1024)}"`)).toBe(
      'a.json is larger than 4.2 MB: it cannot be rules',
    );
  });

  it('that is not there, or cannot be read, is an error with what to do', () => {
    const folder = tempFolder();
    const missing = { what: 'rules', missingHint: 'Write one.' };
    expect(() => readDataFile(join(folder, 'none.yaml'), missing)).toThrow(
      expect.objectContaining({
        message: expect.stringMatching(/^rules: .*none.yaml is not there$/),
        hint: 'Write one.',
      }),
    );
    expect(() => readDataFile(folder, missing)).toThrow(
      expect.objectContaining({ message: expect.stringMatching(/^rules: .* cannot be read/), hint: 'Check the path.' }),
    );
  });
});
