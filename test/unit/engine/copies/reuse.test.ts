/** `--reuse` in the engine: which answers of earlier runs are taken, and that nothing depends on these runs afterwards. */
import { describe, expect, test } from 'vitest';
import { settingHash } from '../../../../src/domain/fingerprint.ts';
import { paths } from '../../../../src/domain/ids.ts';
import { removeRun } from '../../../../src/engine/cleanup/prune.ts';
import { viewRun } from '../../../../src/engine/views/status.ts';
import { answering, asks, BOTH, finish, kinds, ran, REUSE, sent, submitted, texts } from './coalesce.lab.ts';
import { erroredLine, lab, row, rows, succeededLine, type Lab } from '../lab.ts';

const FIRST = [asks('a', 1), asks('b', 2), asks('c', 3)];
const SECOND = [asks('x', 2), asks('y', 4), asks('z', 1), asks('w', 2)];

async function twice(room: Lab): Promise<string[]> {
  await ran(room, FIRST);
  const before = sent(room).length;
  await ran(room, SECOND, REUSE);
  return sent(room).slice(before);
}

async function spoil(room: Lab, path: string, change: (text: string) => string): Promise<void> {
  const text = room.disk.contents().get(path)?.toString() ?? '';
  await room.files.remove(path);
  const writer = await room.files.create(path);
  await writer.write(Buffer.from(change(text)));
  await writer.commit();
}

describe('what is taken', () => {
  test('answers to the same request, once for each row that asks; the rest is sent', async () => {
    const room = lab();
    answering(room);
    expect(await twice(room)).toEqual(['question 4']);
    expect(texts(room)).toEqual([
      ['x', 'to question 2'],
      ['y', 'to question 4'],
      ['z', 'to question 1'],
      ['w', 'to question 2'],
    ]);
    const run = (await room.store.runs()).at(-1);
    expect(run?.rows).toMatchObject({ succeeded: 4 });
    expect(run && (await kinds(room, run))).toEqual([
      ['runs', 'collected', 3],
      ['api', 'collected', 1],
    ]);
  });

  test.each([
    ['', {}],
    [' where rows ask the same, once', { dedupe: true }],
  ])(
    'of a run with a schema only what follows it, though nobody asked for it then; the rest is sent%s',
    async (_, more) => {
      const room = lab();
      const said: Record<string, string> = {
        'question 1': '{"score":1}',
        'question 2': '{"score":0.1}',
        'question 3': 'one, I think',
      };
      answering(room, (id, question) => succeededLine(id, said[question] ?? '{"score":0.5}'));
      await ran(room, FIRST);
      const before = sent(room).length;
      said['question 2'] = '{"score":0.9}';
      said['question 3'] = '{"score":0.8}';
      const schema = { type: 'object', properties: { score: { type: 'number', minimum: 0.25 } }, required: ['score'] };
      const kept = { file: 'answer.json', schema, formatHash: settingHash(schema) };
      const again = [...FIRST, asks('d', 2)];
      const run = await ran(room, again, { coalesce: { ...REUSE.coalesce, ...more }, schema: kept });
      expect(run.rows).toMatchObject({ succeeded: 4, failed: 0 });
      const dedupes = 'dedupe' in more;
      expect(sent(room).slice(before).sort()).toEqual(['question 2', ...(dedupes ? [] : ['question 2']), 'question 3']);
      expect(texts(room)).toEqual([
        ['a', '{"score":1}'],
        ['b', '{"score":0.9}'],
        ['c', '{"score":0.8}'],
        ['d', '{"score":0.9}'],
      ]);
    },
  );

  test('a run of which every answer is there is done without a call', async () => {
    const room = lab();
    answering(room);
    await ran(room, FIRST);
    const calls = room.api.calls.length;
    const run = await submitted(
      room,
      SECOND.filter((_row, at) => at !== 1),
      REUSE,
    );
    expect(run).toMatchObject({ state: 'ready', rows: { succeeded: 3, waiting: 0 } });
    expect(await finish(room, run)).toMatchObject({ state: 'done', rows: { succeeded: 3 } });
    expect(room.api.calls.slice(calls).filter((call) => call !== 'list')).toEqual([]);
    expect(await room.store.usage(run.id)).toEqual([]);
  });

  test('from the realtime lane and from chunks of retries as well, and from what was reused itself', async () => {
    const room = lab();
    answering(room, (id, question) =>
      question === 'question 1' ? erroredLine(id, 'overloaded_error') : succeededLine(id, `to ${question}`),
    );
    await ran(room, FIRST);
    const before = room.api.bodies.length;
    const second = await ran(
      room,
      SECOND.filter((_row, at) => at !== 1),
      REUSE,
    );
    expect(room.api.bodies).toHaveLength(before);
    const [first] = await room.store.runs();
    if (first) await removeRun(room.engine, first);
    await ran(room, [asks('k', 1), asks('l', 2)], REUSE);
    expect(room.api.bodies).toHaveLength(before);
    expect(texts(room)).toEqual([
      ['k', 'from the realtime lane'],
      ['l', 'to question 2'],
    ]);
    expect(second.rows).toMatchObject({ succeeded: 3 });
  });

  test.each(['max_tokens', 'refusal', 'pause_turn', 'model_context_window_exceeded'])(
    'not an answer that stopped by %s',
    async (reason) => {
      const room = lab();
      answering(room, (id) => succeededLine(id).replace('"end_turn"', `"${reason}"`));
      expect(await twice(room)).toEqual(['question 2', 'question 4', 'question 1', 'question 2']);
    },
  );

  test('not of another base URL, another workspace, or a run that is not done', async () => {
    const room = lab();
    answering(room);
    const open = await submitted(room, FIRST);
    const other = await submitted(room, SECOND, REUSE);
    expect(await kinds(room, other)).toEqual([['api', 'sealed', 4]]);
    await finish(room, open);
    for (const run of [{ origin: 'http://elsewhere.test' }, { workspace: 'wrkspc_2' }]) {
      const report = await room.ingest(SECOND, { settings: REUSE, run, request: { again: true } });
      expect(report.saving?.reused.rows).toBe(0);
    }
    // A key without a known workspace may be a new one of the same.
    for (const run of [{}, { workspace: 'key_0123' }]) {
      const other = await room.ingest(SECOND, { settings: REUSE, run, request: { again: true, dryRun: true } });
      expect(other.saving?.reused.rows).toBe(3);
    }
    const report = await room.ingest(SECOND, { settings: REUSE, request: { again: true } });
    expect(report.saving?.reused).toMatchObject({ rows: 3 });
    expect(report.saving?.reused.usd).toBeGreaterThan(0);
  });

  test('with --dedupe, what no earlier run knows is sent once', async () => {
    const room = lab();
    answering(room);
    await ran(room, FIRST);
    const before = sent(room).length;
    const input = [...SECOND, asks('v', 4), asks('u', 4)];
    await ran(room, input, BOTH);
    expect(sent(room).slice(before)).toEqual(['question 4']);
    expect(texts(room).map(([, text]) => text)).toEqual([2, 4, 1, 2, 4, 4].map((nth) => `to question ${nth}`));
  });
});

describe('the earlier run afterwards', () => {
  test('may be pruned at once', async () => {
    const room = lab();
    answering(room);
    const first = await ran(room, FIRST);
    const second = await submitted(room, SECOND, REUSE);
    await removeRun(room.engine, first);
    await finish(room, second);
    expect(texts(room).map(([, text]) => text)).toEqual([2, 4, 1, 2].map((nth) => `to question ${nth}`));
  });

  test('is looked at anew when it has got more answers', async () => {
    const room = lab();
    let good = false;
    answering(room, (id, question) =>
      good || question !== 'question 2'
        ? succeededLine(id, `to ${question}`)
        : erroredLine(id, 'invalid_request_error'),
    );
    const first = await ran(room, FIRST);
    expect((await room.ingest(SECOND, { settings: REUSE, request: { dryRun: true } })).saving?.reused.rows).toBe(1);
    good = true;
    await room.clock.run(room.clock.sleep(1_000));
    await (await room.driver()).reopen(first.id, ['failed'], room.clock.now());
    await finish(room, first);
    expect((await room.ingest(SECOND, { settings: REUSE, request: { dryRun: true } })).saving?.reused.rows).toBe(3);
  });
});

describe('damage', () => {
  test('a file of hashes that is damaged is made again', async () => {
    const room = lab();
    answering(room);
    const first = await ran(room, FIRST);
    await room.ingest(SECOND, { settings: REUSE, request: { dryRun: true } });
    for (const change of [(text: string) => text.slice(1), () => '', (text: string) => `${text}x`]) {
      await spoil(room, paths.answers(first.id), change);
      expect((await room.ingest(SECOND, { settings: REUSE, request: { dryRun: true } })).saving?.reused.rows).toBe(3);
    }
  });

  test('answers that are not what they should be are not taken: the rows are sent', async () => {
    const room = lab();
    answering(room);
    const first = await ran(room, FIRST);
    await room.ingest(SECOND, { settings: REUSE, request: { dryRun: true } });
    const path = paths.results(first.id, 1);
    await spoil(room, path, (text) => text.replaceAll('"custom_id":"', '"custom_id":"x').replaceAll('"}\n', '"}'));
    const before = sent(room).length;
    await ran(room, SECOND, BOTH);
    // And of those that ask the same, one.
    expect(sent(room).slice(before)).toEqual(['question 2', 'question 4', 'question 1']);
    expect(texts(room).map(([, text]) => text)).toEqual([2, 4, 1, 2].map((nth) => `to question ${nth}`));
  });

  test('a run without its files has nothing to reuse', async () => {
    const room = lab();
    answering(room);
    const first = await ran(room, FIRST);
    await room.files.removeFolder(paths.chunks(first.id));
    const before = sent(room).length;
    await ran(room, SECOND, REUSE);
    expect(sent(room).slice(before)).toHaveLength(4);
  });
});

describe('what is said of it', () => {
  test('status counts the rows and what their answers cost then', async () => {
    const room = lab();
    answering(room);
    const first = await ran(room, FIRST);
    const run = await ran(room, SECOND, REUSE);
    const spent = (await viewRun(room.store, first)).cost_usd.spent ?? 0;
    const { coalesced } = await viewRun(room.store, run);
    expect(coalesced).toMatchObject({ rows: 3, reused_rows: 3, deduped_rows: 0, waiting_rows: 0 });
    expect(coalesced?.saved_usd).toBeCloseTo(spent, 9);
  });

  test('without the flag the report says what it would have spared', async () => {
    const room = lab();
    answering(room);
    expect((await room.ingest(FIRST, { request: { dryRun: true } })).saving?.reusable).toBeNull();
    await ran(room, FIRST);
    const { saving } = await room.ingest(SECOND, { request: { dryRun: true } });
    expect(saving?.reusable).toMatchObject({ rows: 3, exact: false });
    expect((await room.ingest([row(50), row(51)], { request: { dryRun: true } })).saving?.reusable?.rows).toBe(0);
    // A sample that is gone says nothing.
    const [first] = await room.store.runs();
    await room.files.remove(paths.sketch(first?.id ?? ''));
    expect((await room.ingest(rows(3), { request: { dryRun: true } })).saving?.reusable).toBeNull();
  });
});
