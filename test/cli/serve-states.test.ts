/**
 * What `serve` and `status --watch` look at over a long time: a state with thousands of runs, one that is deleted and made
 * anew, one that cannot be read for a while.
 */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { openDatabase } from '../../src/adapters/sqlite/kept.ts';
import { bench, ENDLESS, requests, type Bench, type Running } from '../support/cli.ts';
import { inTerminal } from '../support/pty.ts';

interface Server {
  readonly origin: string;
  readonly running: Running;
}

async function serve(b: Bench, args: readonly string[] = []): Promise<Server> {
  const running = b.start(['serve', '--port', '0', ...args]);
  await running.says(/#token=\S+\n/, 'stdout');
  return { running, origin: new URL(running.stdout.trim()).origin };
}

/** Messages of the stream until one of them is the wanted one. */
async function hear(origin: string, isWanted: (heard: string) => boolean, lastId?: string): Promise<string> {
  const answer = await fetch(
    `${origin}/api/stream`,
    lastId === undefined ? {} : { headers: { 'last-event-id': lastId } },
  );
  let heard = '';
  const decoder = new TextDecoder();
  for await (const piece of answer.body ?? []) {
    heard += decoder.decode(piece as Uint8Array, { stream: true });
    if (isWanted(heard)) return heard;
  }
  throw new Error(`the stream ended after ${JSON.stringify(heard.slice(0, 200))}`);
}

function hasLog(heard: string): boolean {
  return /event: log\ndata: .*\n\n/.test(heard);
}

/** A look while the run is being made may tell of its events before its name, or of its name before its events. */
function isToldOf(name: string, heard: string): boolean {
  const told = sinceHello(heard);
  return told.includes(`"name":"${name}"`) && hasLog(told);
}

function sinceHello(heard: string): string {
  return heard.slice(heard.lastIndexOf('event: hello'));
}

/** Years of nightly runs, which nobody waits for here. */
function copyRun(b: Bench, count: number): void {
  const raw = openDatabase(`${b.state}/state.db`, { timeout: 5_000 });
  const columns = raw.prepare("SELECT name FROM pragma_table_info('runs')").pluck().all() as string[];
  const own: Readonly<Record<string, string>> = {
    id: "printf('run_%016d', i)",
    name: "printf('night %d', i)",
    fingerprint: 'fingerprint || i',
    created_at_ms: 'created_at_ms - 10000 + i',
  };
  const values = columns.map((name) => own[name] ?? name).join(',');
  raw.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
    INSERT INTO runs (${columns.join(',')}) SELECT ${values} FROM (SELECT * FROM runs LIMIT 1), n`);
  raw.close();
}

describe('a state with thousands of runs', () => {
  test('is told in a size that a reader can take; what is too old for the list can be asked for', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(2));
    await b.ok(['run', 'in.jsonl', '--name', 'newest']);
    copyRun(b, 4_000);
    const { origin } = await serve(b);
    const heard = await hear(origin, (text) => /event: progress\ndata: .*\n\n/.test(text));
    expect(heard.length).toBeLessThan(1_000_000);
    expect(heard).toContain('"name":"newest"');
    expect(heard).toContain('"hidden":3801');
    const old = 'run_0000000000000001';
    expect(heard).not.toContain(old);
    const detail = (await (await fetch(`${origin}/api/runs/${old}`)).json()) as { run: { name: string } };
    expect(detail.run.name).toBe('night 1');
    expect((await fetch(`${origin}/api/runs/${old}/timeline`)).status).toBe(200);
  });
});

describe('a state that is deleted and made anew', () => {
  test('is what the page shows, with its log from the beginning', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(2));
    await b.call(['submit', 'in.jsonl', '--name', 'before']);
    const { origin } = await serve(b);
    let isMadeAnew: Promise<unknown> | undefined;
    const heard = await hear(origin, (text) => {
      if (text.includes('event: log')) {
        isMadeAnew ??= Promise.resolve().then(() => {
          rmSync(b.state, { recursive: true });
          return b.call(['submit', 'in.jsonl', '--name', 'after']);
        });
      }
      return isToldOf('after', text);
    });
    await isMadeAnew;
    expect(heard.match(/event: hello/g)).toHaveLength(2);
    expect(sinceHello(heard)).toContain('run.ingesting');
  });

  test('ends a `status --watch` of what was there, and says so', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(2));
    await b.call(['submit', 'in.jsonl']);
    const watching = b.start(['status', '--watch']);
    await watching.says(/rows/, 'stdout');
    renameSync(b.state, `${b.state}.gone`);
    const { code, stderr } = await watching.ended;
    expect(code).toBe(2);
    expect(stderr).toContain('was deleted while it was looked at');
  });
});

describe('a reader that was cut off', () => {
  async function cutOff(): Promise<{ readonly b: Bench; readonly server: Server; readonly lastId: string }> {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(2));
    await b.call(['submit', 'in.jsonl']);
    const server = await serve(b);
    const heard = await hear(server.origin, hasLog);
    return { b, server, lastId: /id: (.*)\nevent: log/.exec(heard)?.[1] ?? '' };
  }

  test('is told what happened last by another start of the server, though nothing is new', async () => {
    const { b, server, lastId } = await cutOff();
    server.running.kill('SIGINT');
    await server.running.ended;
    const { origin } = await serve(b);
    expect(await hear(origin, hasLog, lastId)).toContain('run.ingesting');
  });

  test('is told the log of a state that was made anew meanwhile, whose numbers begin again', async () => {
    const { b, server, lastId } = await cutOff();
    rmSync(b.state, { recursive: true });
    await b.call(['submit', 'in.jsonl', '--name', 'after']);
    const heard = await hear(server.origin, (text) => isToldOf('after', text), lastId);
    expect(sinceHello(heard)).toContain('run.ingesting');
  });

  test('and has missed too much hears so, and what happened last', async () => {
    const { b, server, lastId } = await cutOff();
    const raw = openDatabase(`${b.state}/state.db`, { timeout: 5_000 });
    raw.exec(`INSERT INTO events SELECT id + 10000, run_id, at_ms, kind, chunk_no, seq, data FROM events LIMIT 1`);
    raw.close();
    const heard = await hear(server.origin, hasLog, lastId);
    expect(heard).toMatch(/event: gap[^]*event: log/);
    expect(heard).toContain('"first":true');
  });
});

describe('what to type for a blocked run', () => {
  test('names the state folder, on the page and on the screen', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(2));
    await b.call(['submit', 'in.jsonl', '--state', 'elsewhere', '--max-cost', '0.00000001']);
    const { origin } = await serve(b, ['--state', 'elsewhere']);
    const heard = await hear(origin, (text) => text.includes('"blocked":[{'));
    expect(heard).toContain(`--max-cost 1 --state ${b.folder}/elsewhere\``);
    const where = { cwd: b.folder, env: b.env, columns: 300 };
    const pty = inTerminal(['status', '--watch', '--state', 'elsewhere'], where);
    await pty.shows(/--max-cost 1 --state elsewhere`/);
    pty.type('q');
    await pty.exit();
  });
});

describe('a state that cannot be read', () => {
  test('is said in the stream, which goes on as soon as it can be', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(2));
    const { origin } = await serve(b);
    mkdirSync(b.state);
    writeFileSync(`${b.state}/state.db`, 'this is no ledger, and long enough to be looked at '.repeat(100));
    let isMended: Promise<unknown> | undefined;
    const heard = await hear(origin, (text) => {
      if (text.includes('event: trouble')) {
        isMended ??= Promise.resolve().then(() => {
          rmSync(b.state, { recursive: true });
          return b.call(['submit', 'in.jsonl', '--name', 'good']);
        });
      }
      return text.includes('"name":"good"');
    });
    await isMended;
    expect(heard).toContain(`${b.state}/state.db`);
  });
});
