/**
 * `--metrics-file` and `--metrics-port` of the built program while it drives, as Prometheus and node_exporter see them.
 */
import { readdirSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { describe, expect, onTestFinished, test } from 'vitest';
import { bench, ENDLESS, KEY, requests } from '../support/cli.ts';

/** Samples by `name{labels}`; every line has the form that Prometheus takes. */
function samples(text: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('# HELP ') || /^# TYPE \w+ (gauge|counter)$/.test(line)) continue;
    const match = /^([a-z_]+(?:\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)*\})?) (\S+)$/.exec(line);
    expect(match, line).not.toBeNull();
    found.set(match?.[1] ?? '', Number(match?.[2]));
  }
  return found;
}

describe('--metrics-file', () => {
  test('holds at the end what came of the run, as a whole file, without prompts and keys', async () => {
    const b = await bench({ rates: { errorRate: 0.3 } });
    b.write('in.jsonl', requests(30, 'a secret question'));
    await b.call(['run', 'in.jsonl', '--metrics-file', 'out/../batchrun.prom', '--retry-lane', 'none']);
    const text = b.read('batchrun.prom');
    const [run] = (await b.json(0, ['status'])).runs;
    const seen = samples(text);
    for (const [state, count] of Object.entries(run.rows)) {
      if (state !== 'total') expect(seen.get(`batchrun_rows_total{run="${run.id}",state="${state}"}`)).toBe(count);
    }
    expect(seen.get(`batchrun_batches_open{run="${run.id}"}`)).toBe(0);
    expect(seen.get(`batchrun_cost_usd{run="${run.id}",lane="batch"}`)).toBeCloseTo(run.cost_usd['spent'] ?? NaN, 9);
    expect(seen.get('batchrun_last_success_timestamp_seconds')).toBeGreaterThan(1.7e9);
    expect(text).not.toContain('secret');
    expect(text).not.toContain(KEY.slice(-8));
    expect(readdirSync(b.folder).filter((name) => name.includes('prom'))).toEqual(['batchrun.prom']);
  });

  test('that cannot be written is refused before anything is sent', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(1));
    const { stderr } = await b.exits(1, ['run', 'in.jsonl', '--metrics-file', 'nowhere/batchrun.prom']);
    expect(stderr).toContain('nowhere/batchrun.prom');
    expect(b.calls('batches.create')).toBe(0);
  });
});

describe('--metrics-port', () => {
  test('serves what is so now while a command drives, and is gone with it', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(3));
    const driving = b.start(['run', 'in.jsonl', '--metrics-port', '0']);
    await driving.says(/batch msgbatch_\w+ with 3 rows/);
    const url = /Metrics: (http:\/\/127\.0\.0\.1:\d+\/metrics)/.exec(driving.stderr)?.[1] ?? '';
    const [run] = (await b.json(0, ['status'])).runs;
    const seen = samples(await (await fetch(url)).text());
    expect(seen.get(`batchrun_rows_total{run="${run.id}",state="in_batch"}`)).toBe(3);
    expect(seen.get(`batchrun_batch_requests_queued{run="${run.id}"}`)).toBe(3);
    driving.kill('SIGINT');
    expect((await driving.ended).code).toBe(130);
    await expect(fetch(url)).rejects.toThrow();
  });

  test('does not keep a command alive, though somebody holds a connection', async () => {
    const b = await bench({ batchDurationMs: [1_000, 1_000] });
    b.write('in.jsonl', requests(3));
    const driving = b.start(['run', 'in.jsonl', '--metrics-port', '0']);
    await driving.says(/with 3 rows/);
    const url = /Metrics: (\S+)/.exec(driving.stderr)?.[1] ?? '';
    const held = await fetch(url, { headers: { connection: 'keep-alive' } });
    await held.text();
    expect((await driving.ended).code).toBe(0);
  });

  test('that is taken does not disturb a command that leaves the state to another process', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(1));
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    onTestFinished(() => void other.close());
    const address = other.address();
    const port = String(typeof address === 'object' && address !== null ? address.port : 0);
    const driving = b.start(['run', 'in.jsonl']);
    await driving.says(/with 1 row/);
    await b.ok(['collect', '--metrics-port', port, '--skip-if-locked']);
    driving.kill('SIGINT');
    await driving.ended;
    const refused = await b.exits(2, ['collect', '--metrics-port', port]);
    expect(refused.stderr).toContain(`port ${port} for --metrics-port is taken by another process`);
  });
});
