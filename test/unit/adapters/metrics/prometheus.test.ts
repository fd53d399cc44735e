import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { once } from 'node:events';
import prometheus from 'prom-client';
import { describe, expect, onTestFinished, test } from 'vitest';
import { writeMetrics } from '../../../../src/adapters/metrics/file.ts';
import { toPrometheus } from '../../../../src/adapters/metrics/prometheus.ts';
import { serveMetrics } from '../../../../src/adapters/metrics/server.ts';
import { METRICS, type MetricName, type Reading } from '../../../../src/domain/metrics.ts';
import { tempFolder } from '../../../support/temp.ts';

describe('the text for Prometheus', () => {
  test('has name, help, kind, labels and value, in the order of the table', async () => {
    const readings: Reading[] = [
      { name: 'batchrun_requests_total', labels: { pool: 'org_1|opus_5', key: 'sk-ant-…wxyz' }, value: 7 },
      { name: 'batchrun_rows_total', labels: { run: 'run_1', state: 'succeeded' }, value: 41 },
      { name: 'batchrun_rows_total', labels: { run: 'run_1', state: 'failed' }, value: 1 },
      { name: 'batchrun_last_success_timestamp_seconds', labels: {}, value: 1_795_000_000.5 },
    ];
    expect(await toPrometheus(readings)).toBe(
      [
        '# HELP batchrun_rows_total Rows of a run by state; the states together are all rows of the run.',
        '# TYPE batchrun_rows_total gauge',
        'batchrun_rows_total{run="run_1",state="succeeded"} 41',
        'batchrun_rows_total{run="run_1",state="failed"} 1',
        '',
        '# HELP batchrun_requests_total Calls of this process.',
        '# TYPE batchrun_requests_total counter',
        'batchrun_requests_total{pool="org_1|opus_5",key="sk-ant-…wxyz"} 7',
        '',
        '# HELP batchrun_last_success_timestamp_seconds When a row last succeeded, or a run last ended, in seconds since 1970.',
        '# TYPE batchrun_last_success_timestamp_seconds gauge',
        'batchrun_last_success_timestamp_seconds 1795000000.5',
        '',
      ].join('\n'),
    );
  });

  test('forgets what is gone, and leaves the global registry alone', async () => {
    const one: Reading = { name: 'batchrun_blocked', labels: { run: 'run_1', reason: 'billing' }, value: 1 };
    expect(await toPrometheus([one])).toContain('batchrun_blocked{run="run_1",reason="billing"} 1');
    expect(await toPrometheus([])).not.toContain('batchrun');
    expect(prometheus.register.getMetricsAsArray()).toEqual([]);
  });

  test('takes every metric of the table', async () => {
    for (const [name, { labels }] of Object.entries(METRICS)) {
      const of = Object.fromEntries(labels.map((label) => [label, 'x']));
      const text = await toPrometheus([{ name: name as MetricName, labels: of, value: 2 }]);
      expect(text).toMatch(new RegExp(`^${name}(\\{.*\\})? 2$`, 'm'));
    }
  });

  test('keeps its form whatever a label holds, and shows no key', async () => {
    const key = 'sk-ant-api03-TESTKEY-0123456789abcdefghijklmnop';
    const labels = { pool: 'a"b\\c\nd', key };
    const text = await toPrometheus([{ name: 'batchrun_requests_total', labels, value: 1 }]);
    expect(text).toContain('{pool="a\\"b\\\\c\\nd",key="sk-ant-[redacted]"} 1');
    expect(text).not.toContain('TESTKEY');
  });
});

describe('the port', () => {
  test('answers GET /metrics anew each time, and nothing else', async () => {
    let looks = 0;
    const server = await serveMetrics(0, () => Promise.resolve(`looks ${++looks}\n`));
    onTestFinished(() => server.close());
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
    const answer = await fetch(server.url);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      200,
      'text/plain; version=0.0.4; charset=utf-8',
    ]);
    expect(await answer.text()).toBe('looks 1\n');
    expect(await (await fetch(`${server.url}?x=1`)).text()).toBe('looks 2\n');
    expect((await fetch(server.url.replace('/metrics', '/'))).status).toBe(404);
    expect((await fetch(server.url, { method: 'POST' })).status).toBe(405);
    expect(looks).toBe(2);
  });

  test('says 500 and no more where the metrics cannot be read', async () => {
    const server = await serveMetrics(0, () => Promise.reject(new Error('secret path')));
    onTestFinished(() => server.close());
    const answer = await fetch(server.url);
    expect(answer.status).toBe(500);
    expect(await answer.text()).not.toContain('secret');
  });

  test('that is taken is refused by its number', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    onTestFinished(() => void other.close());
    const address = other.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await expect(serveMetrics(port, () => Promise.resolve(''))).rejects.toMatchObject({
      code: 'E_METRICS_PORT',
      message: `port ${port} for --metrics-port is taken by another process`,
    });
  });

  test('is free again once it is closed, whoever still holds a connection', async () => {
    const server = await serveMetrics(0, () => Promise.resolve('x\n'));
    await (await fetch(server.url)).text();
    await server.close();
    await expect(fetch(server.url)).rejects.toThrow();
    const again = await serveMetrics(Number(new URL(server.url).port), () => Promise.resolve('y\n'));
    await again.close();
  });
});

describe('the file', () => {
  test('is replaced as a whole, and nothing else stays in its folder', async () => {
    const folder = tempFolder();
    const file = join(folder, 'batchrun.prom');
    await writeMetrics(file, 'one\n');
    await writeMetrics(file, 'two\n');
    expect(readFileSync(file, 'utf8')).toBe('two\n');
    expect(readdirSync(folder)).toEqual(['batchrun.prom']);
  });

  test('that cannot be written is named, and leaves nothing behind', async () => {
    const folder = tempFolder();
    const file = join(folder, 'nowhere', 'batchrun.prom');
    await expect(writeMetrics(file, 'x')).rejects.toMatchObject({
      code: 'E_FILE',
      message: expect.stringContaining(file),
    });
    mkdirSync(join(folder, 'taken.prom'));
    await expect(writeMetrics(join(folder, 'taken.prom'), 'x')).rejects.toMatchObject({ code: 'E_FILE' });
    expect(readdirSync(folder)).toEqual(['taken.prom']);
    expect(existsSync(join(folder, 'nowhere'))).toBe(false);
  });
});
