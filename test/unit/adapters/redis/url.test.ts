/** The address of the shared limiter: what is taken, what is refused, and that no password is ever shown. */
import { describe, expect, test } from 'vitest';
import { parseRedisUrl } from '../../../../src/adapters/redis/url.ts';

describe('an address', () => {
  test.each([
    ['redis://localhost', 'redis://localhost'],
    ['redis://localhost:6380/3', 'redis://localhost:6380/3'],
    ['rediss://user:s3cret@cache.example.com:6379/', 'rediss://cache.example.com:6379'],
    ['redis://:s3cret@[::1]:6379', 'redis://[::1]:6379'],
  ])('%s is shown as %s', (text, shown) => {
    expect(parseRedisUrl(text)).toMatchObject({ url: text, shown });
  });

  test.each([
    ['s3cret', 'no URL'],
    ['redis://user:s3cret/with/slashes@host', 'no URL'],
    ['http://user:s3cret@host', 'redis://'],
    ['redis:s3cret', 'no host'],
    ['redis://', 'no host'],
    ['redis://host/s3cret', 'number of a database'],
    ['redis://host/0?password=s3cret', 'nothing may follow'],
    ['redis://host/0#s3cret', 'nothing may follow'],
    ['redis://user:s3cret%@host', '%25'],
  ])('%s is refused', (text, why) => {
    const refused = (): unknown => parseRedisUrl(text);
    expect(refused).toThrow(expect.objectContaining({ code: 'E_CONFIG', message: expect.stringContaining(why) }));
    try {
      refused();
    } catch (error) {
      expect(`${String(error)} ${JSON.stringify(error)} ${(error as Error).stack ?? ''}`).not.toContain('s3cret');
      expect(error).toMatchObject({ hint: expect.stringContaining('redis://host:6379') });
      expect((error as Error).cause).toBeUndefined();
    }
  });

  test('takes its password out of what others say, written either way', () => {
    const { clean } = parseRedisUrl('redis://user:p%40ss@host');
    expect(clean('cannot reach redis://user:p%40ss@host with p@ss')).toBe(
      'cannot reach redis://user:****@host with ****',
    );
    expect(parseRedisUrl('redis://s3cret@host').clean('user s3cret')).toBe('user ****');
    expect(parseRedisUrl('redis://host').clean('as it is')).toBe('as it is');
  });
});
