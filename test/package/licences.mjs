/**
 * The licences of what batchrun installs: every package of the lock file that is not for development alone, with its
 * licence and the text that comes with it. As a program it writes dist/licenses.txt; that is part of the build.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const RULE = '='.repeat(80);

/** Name, version, licence and texts of each package that is installed with batchrun, by name. */
export function licensed() {
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));
  return Object.entries(lock.packages)
    .filter(([path, entry]) => path !== '' && entry.dev !== true && entry.devOptional !== true)
    .flatMap(([path, entry]) => {
      const folder = join(ROOT, path);
      // What is for other systems is in the lock file, and not here.
      if (!existsSync(folder) && entry.optional === true) return [];
      const { name, license, author } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      return [
        {
          name,
          version: entry.version,
          license: license ?? entry.license,
          author: authorOf(author),
          texts: textsIn(folder),
        },
      ];
    })
    .sort((one, other) => (one.name < other.name ? -1 : 1));
}

function authorOf(author) {
  return typeof author === 'string' ? author : (author?.name ?? null);
}

function textsIn(folder) {
  return readdirSync(folder)
    .filter((name) => /^(licen[cs]e|notice|copying)(\.|-|$)/i.test(name))
    .sort()
    .map((name) => readFileSync(join(folder, name), 'utf8').trim());
}

export function licencesText(packages) {
  const blocks = packages.map(({ name, version, license, author, texts }) => {
    const text =
      texts.length > 0
        ? texts.join('\n\n')
        : `No text comes with the package.${author === null ? '' : ` Author: ${author}.`}`;
    return `${RULE}\n${name} ${version}\nLicence: ${license}\n\n${text}\n`;
  });
  const head = 'batchrun itself is under the MIT licence (LICENSE). It installs these packages, each under its own:\n';
  return `${head}\n${blocks.join('\n')}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(join(ROOT, 'dist/licenses.txt'), licencesText(licensed()));
