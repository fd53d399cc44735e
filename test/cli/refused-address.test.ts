/**
 * A run that an earlier version made at an address that is refused today can still be given up.
 */
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { bench, requests } from '../support/cli.ts';

test('a run made at an address that ends in /v1 is canceled with the command that its refusal says', async () => {
  const b = await bench();
  b.write('in.jsonl', requests(2));
  // Nothing of it is sent: the API is not there.
  await b.offline();
  const { run_id: id } = await b
    .json(4, ['submit', 'in.jsonl', '--give-up', '1ms', '--no-preflight'])
    .catch(async () => ({
      run_id: (await b.json(0, ['status'])).runs[0].id,
    }));
  await b.online();
  const old = `${b.origin}/v1`;
  const ledger = new Database(join(b.state, 'state.db'));
  ledger.prepare('UPDATE runs SET origin = ?').run(old);
  ledger.close();
  const refused = await b.exits(2, ['collect', id]);
  expect(refused.stderr).toContain(`\`ANTHROPIC_BASE_URL=${old} batchrun cancel ${id}\``);
  const env = { ANTHROPIC_BASE_URL: old };
  // For what is new it stays refused.
  b.write('other.jsonl', requests(1, 'other'));
  expect((await b.exits(2, ['submit', 'other.jsonl'], { env })).stderr).toContain('goes too far');
  await b.ok(['cancel', id], { env });
  expect((await b.json(0, ['list'])).runs[0]).toMatchObject({ state: 'done', canceled: true });
});
