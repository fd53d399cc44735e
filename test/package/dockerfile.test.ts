/**
 * The Dockerfile, as far as it can be held to something without a container: every step is known, what it copies is there,
 * and the steps of its build stage, run one after the other in a copy of the checkout, give the program that it starts.
 */
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const IS_CI = (process.env['CI'] ?? '') !== '';
// Once is enough: on other Nodes of CI pack.test.ts installs the same packages.
const INSTALLS = IS_CI && process.version.startsWith(`v${readFileSync(join(ROOT, '.nvmrc'), 'utf8').trim()}.`);
const run = promisify(execFile);

interface Step {
  readonly word: string;
  readonly text: string;
}

interface Stage {
  readonly name: string | null;
  readonly image: string;
  readonly steps: readonly Step[];
}

function stages(text: string): Stage[] {
  const lines = text
    .replace(/\\\n/g, ' ')
    .split('\n')
    .map((line) => line.trim());
  const found: { name: string | null; image: string; steps: Step[] }[] = [];
  for (const line of lines.filter((one) => one !== '' && !one.startsWith('#'))) {
    const [, word = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    if (word !== 'FROM') found.at(-1)?.steps.push({ word, text: rest });
    else {
      const [, image = '', name] = /^(\S+)(?:\s+AS\s+(\S+))?$/.exec(rest) ?? [];
      found.push({ name: name ?? null, image, steps: [] });
    }
  }
  return found;
}

const all = stages(readFileSync(join(ROOT, '.github/docker/Dockerfile'), 'utf8'));
const [build, final] = all;
const temp = mkdtempSync(join(tmpdir(), 'batchrun-docker-'));
afterAll(() => rmSync(temp, { recursive: true, force: true }));

const stepsOf = (stage: Stage | undefined, word: string): string[] =>
  (stage?.steps ?? []).filter((step) => step.word === word).map(({ text }) => text);

describe('the Dockerfile', () => {
  it('has two stages of a Node that batchrun runs on, and steps that are known', () => {
    expect(all).toHaveLength(2);
    const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { engines: { node: string } };
    const least = Number(/\d+/.exec(engines.node)?.[0]);
    for (const { image, steps } of all) {
      expect(Number(/^node:(\d+)-slim$/.exec(image)?.[1])).toBeGreaterThanOrEqual(least);
      const words = ['RUN', 'COPY', 'WORKDIR', 'ENV', 'USER', 'VOLUME', 'ENTRYPOINT', 'CMD'];
      expect(steps.filter(({ word }) => !words.includes(word))).toEqual([]);
    }
  });

  it('runs as somebody without rights, with its state where it outlives the container', () => {
    const words = (final?.steps ?? []).map(({ word, text }) => `${word} ${text}`);
    expect(words).toEqual(
      expect.arrayContaining(['USER node', 'WORKDIR /data', 'VOLUME /data', 'ENTRYPOINT ["batchrun"]']),
    );
    const prepared = stepsOf(final, 'RUN').join(' ');
    expect(prepared).toContain('chown node:node /data');
    expect(words.findIndex((one) => one.startsWith('RUN'))).toBeLessThan(words.indexOf('USER node'));
  });

  it('copies into the image what the package holds', () => {
    const { files } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { files: readonly string[] };
    const copied = stepsOf(final, 'COPY').flatMap((text) =>
      [...text.matchAll(/\/build\/(\S+)/g)].map((match) => match[1]),
    );
    const needed = [...files.filter((name) => !/\.md$|^\.github/.test(name)), 'package.json', 'node_modules'];
    expect(copied).toEqual(expect.arrayContaining(needed));
  });

  it('gives a program when its build stage is run', { timeout: 900_000 }, async () => {
    const place = join(temp, 'build');
    for (const { word, text } of build?.steps ?? []) {
      if (word === 'COPY') copyInto(place, text);
      // Packages of the system, and what needs the registry, are there already: elsewhere the checkout's own are taken.
      else if (word === 'RUN' && text.startsWith('apt-get')) expect(text).toContain('python3 make g++');
      else if (word === 'RUN' && text.startsWith('npm ci') && !INSTALLS) {
        symlinkSync(join(ROOT, 'node_modules'), join(place, 'node_modules'));
      } else if (word === 'RUN' && !(text.startsWith('npm prune') && !INSTALLS)) {
        await run('sh', ['-c', text], { cwd: place, maxBuffer: 2 ** 26 });
      }
    }
    for (const text of stepsOf(final, 'COPY')) {
      for (const [, name = ''] of text.matchAll(/\/build\/(\S+)/g))
        expect(existsSync(join(place, name)), name).toBe(true);
    }
    const link = /ln -s \/app\/(\S+)/.exec(stepsOf(final, 'RUN').join(' '))?.[1] ?? '';
    const { stdout } = await run(process.execPath, [join(place, link), '--version']);
    expect(stdout.trim()).toMatch(/^\d+\.\d+\.\d+/);
    expect(statSync(join(place, link)).mode & 0o111).toBe(0o111);
  });
});

/** `COPY a b ./` or `COPY . .`, without what the ignore file names. */
function copyInto(place: string, text: string): void {
  const names = text.split(/\s+/);
  const sources = names.slice(0, -1);
  const ignored = readFileSync(join(ROOT, '.github/docker/Dockerfile.dockerignore'), 'utf8').split('\n');
  for (const source of sources) {
    const entries = source === '.' ? readdirSync(ROOT) : [source];
    for (const entry of entries) {
      if (ignored.some((line) => line === entry || line === `**/${entry}`)) continue;
      cpSync(join(ROOT, entry), join(place, entry), { recursive: true });
    }
  }
}
