/**
 * `npm run docs`: writes the tables of the documents that follow from the program's own tables. docs.test.ts fails where
 * somebody forgot to run it.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { COMMAND_FLAGS, FLAG_SPECS } from '../../dist/cli/flags/option-table.js';
import { flagLine } from './flag-line.mjs';

const file = fileURLToPath(new URL('../../.github/docs/flags.md', import.meta.url));
const text = readFileSync(file, 'utf8');
const lines = Object.keys(FLAG_SPECS).map((flag) => flagLine(flag, FLAG_SPECS, COMMAND_FLAGS));
const above = text.split('\n').filter((line) => !line.startsWith('| `-'));
writeFileSync(file, `${above.join('\n').trimEnd()}\n${lines.join('\n')}\n`);
execFileSync('npx', ['prettier', '--write', '--log-level', 'warn', file], { stdio: 'inherit' });
