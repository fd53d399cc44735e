/**
 * The log: levels, both formats, and that no key gets through however it is written.
 */
import { describe, expect, test } from 'vitest';
import {
  createLogger,
  isMasked,
  LOG_LEVELS,
  maskAddress,
  maskAddresses,
  maskKey,
  redact,
  silentLogger,
  type LogLevel,
} from '../../../src/base/log.ts';

const KEY = 'sk-ant-api03-AbCdEf_123-456789xyzSECRET';

function lines(
  level: LogLevel,
  format: 'text' | 'json',
  work: (log: ReturnType<typeof createLogger>) => void,
): string[] {
  const written: string[] = [];
  work(createLogger({ level, format, now: () => Date.UTC(2026, 10, 20), write: (line) => written.push(line) }));
  return written;
}

describe('a logger', () => {
  test.each(LOG_LEVELS.map((level, at) => [level, LOG_LEVELS.length - 1 - at] as const))(
    'at %s writes %d levels',
    (level, count) => {
      const written = lines(level, 'text', (log) => {
        for (const each of ['debug', 'info', 'warn', 'error'] as const) log[each]('event');
      });
      expect(written).toHaveLength(count);
    },
  );

  test('writes text for people', () => {
    const written = lines('debug', 'text', (log) => {
      log.info('chunk.submitted', { chunk: 3, batch: 'msgbatch_1', none: undefined, list: [1, 2] });
      log.warn('slow');
    });
    expect(written).toEqual(['chunk.submitted chunk=3 batch=msgbatch_1 list=[1,2]', 'warn: slow']);
  });

  test('writes JSON for machines, one object a line', () => {
    const [line = ''] = lines('info', 'json', (log) => log.error('api.failed', { status: 500, text: 'two\nlines' }));
    expect(line).not.toContain('\n');
    expect(JSON.parse(line)).toEqual({
      time: '2026-11-20T00:00:00.000Z',
      level: 'error',
      event: 'api.failed',
      status: 500,
      text: 'two\nlines',
    });
  });

  test('can be silent', () => {
    for (const level of ['debug', 'info', 'warn', 'error'] as const) silentLogger[level]('x');
  });
});

describe('keys', () => {
  test.each([
    [KEY, 'sk-ant-[redacted]'],
    [`key=${KEY}`, 'key=sk-ant-[redacted]'],
    [`{"x-api-key":"${KEY}"}`, '{"x-api-key":"sk-ant-[redacted]"}'],
    ['sk-ant-oat01-ABCDEFGHIJKLMN.', 'sk-ant-[redacted].'],
    ['sk-proj-ABCDEFGHIJ', 'sk-proj-[redacted]'],
    ['sk-ABCDEFGHIJKL', 'sk-[redacted]'],
    ['Authorization: Bearer abc.def-ghi_jkl/mno+p==', 'Authorization: Bearer [redacted]'],
    [`two: ${KEY} and ${KEY}`, 'two: sk-ant-[redacted] and sk-ant-[redacted]'],
  ])('%s is redacted', (text, expected) => {
    expect(redact(text)).toBe(expected);
  });

  test.each([
    'a task-management-system',
    'sk-short',
    'risk-averse-people',
    'Bearer of news',
    'msgbatch_01ABCDEFGHIJKLMNOP',
    '',
  ])('in "%s" there is none', (text) => {
    expect(redact(text)).toBe(text);
  });

  test.each<[string, Record<string, unknown>]>([
    ['in a text', { message: `invalid ${KEY}` }],
    ['deep in a value', { nested: { deep: [KEY] } }],
    ['after a line feed', { message: `first line\n${KEY}` }],
    ['after a tab', { message: `tab\t${KEY}` }],
    ['in a list', { list: [`a`, `\n${KEY}`] }],
    ['after Bearer', { header: `Authorization: Bearer ${KEY.slice(13)}` }],
    ['after bearer in lower case, as HTTP allows', { header: `authorization: bearer ${KEY.slice(13)}` }],
  ])('do not get into the log %s, in either format', (_where, fields) => {
    for (const format of ['text', 'json'] as const) {
      const [line] = lines('debug', format, (log) => log.info('api.failed', fields));
      expect([format, line]).toEqual([format, expect.not.stringContaining('SECRET')]);
    }
  });

  test('are masked for their owner: the kind and the last four characters', () => {
    expect(maskKey(KEY)).toBe('sk-ant-…CRET');
    expect(maskKey('short')).not.toContain('short');
    expect(maskKey('')).toHaveLength(4);
  });
});

describe('addresses', () => {
  test.each([
    ['https://hooks.example.com/services/HUSH?x=HUSH', 'https://hooks.example.com/****'],
    ['https://user:HUSH@ops.example.com:8443/', 'https://****@ops.example.com:8443'],
    ['http://localhost:8787', 'http://localhost:8787'],
    ['redis://user:HUSH@cache:6379/0', 'redis://****@cache:6379/0'],
    ['rediss://cache:6379/2', 'rediss://cache:6379/2'],
    ['ftp://HUSH@old.example.com/HUSH', 'ftp://****@old.example.com/****'],
    ['no address', '****'],
  ])('%s is shown as %s', (address, shown) => {
    expect(maskAddress(address)).toBe(shown);
    expect(isMasked(shown)).toBe(shown.includes('/****'));
  });

  test('in a text are masked, and a scheme alone is none', () => {
    const text = "curl 'https://hooks.example.com/HUSH' must begin with redis:// or rediss://.";
    expect(maskAddresses(text)).toBe("curl 'https://hooks.example.com/****' must begin with redis:// or rediss://.");
  });
});
