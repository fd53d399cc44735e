/**
 * Temporary files of killed processes are cleared away, and nothing else is.
 */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createDiskFiles } from '../../../../src/adapters/disk-files.ts';
import { clearOutputLeftovers, clearRunLeftovers } from '../../../../src/engine/cleanup/leftovers.ts';
import { tempFolder } from '../../../support/temp.ts';

test('of a run: what was written and never committed', async () => {
  const folder = tempFolder();
  const files = createDiskFiles(folder);
  const kept = await files.create('runs/run_1/chunks/000001.json');
  await kept.write(Buffer.from('whole'));
  await kept.commit();
  for (const path of ['chunks/000002.json', 'rows/000002.jsonl', 'results/000001.jsonl']) {
    const torn = await files.create(`runs/run_1/${path}`);
    await torn.write(Buffer.from('half'));
  }
  expect(readdirSync(join(folder, 'runs/run_1/chunks'))).toHaveLength(2);
  await clearRunLeftovers(files, 'run_1');
  expect(readdirSync(join(folder, 'runs/run_1/chunks'))).toEqual(['000001.json']);
  expect(readdirSync(join(folder, 'runs/run_1/rows'))).toEqual([]);
  expect(readdirSync(join(folder, 'runs/run_1/results'))).toEqual([]);
});

test('of an output: what bears its name, and no file of anybody else', async () => {
  const folder = tempFolder();
  const files = createDiskFiles(folder);
  const output = join(folder, 'out.jsonl');
  await (await files.create(output)).write(Buffer.from('half'));
  for (const name of ['out.jsonl', 'out.jsonl.mine.tmp', 'other.jsonl.0a1b2c3d.tmp'])
    writeFileSync(join(folder, name), '');
  expect(readdirSync(folder)).toHaveLength(4);
  await clearOutputLeftovers(files, output);
  expect(readdirSync(folder).sort()).toEqual(['other.jsonl.0a1b2c3d.tmp', 'out.jsonl', 'out.jsonl.mine.tmp']);
});
