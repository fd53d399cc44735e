/** What is known about models, and that nothing unknown is refused. */
import { describe, expect, it } from 'vitest';
import { modelFacts } from '../../../src/domain/models.ts';

const NOW_MS = Date.UTC(2026, 10, 20);

describe('modelFacts', () => {
  it('knows what a model can write, by its alias and by its dated id', () => {
    expect(modelFacts('claude-sonnet-5-5', NOW_MS)).toMatchObject({
      status: 'active',
      maxTokens: 128_000,
      longMaxTokens: 300_000,
    });
    expect(modelFacts('claude-haiku-4-5-20251001', NOW_MS)).toMatchObject({
      status: 'active',
      maxTokens: 64_000,
      contextTokens: 200_000,
    });
  });

  it('knows which are gone, and what follows them', () => {
    for (const id of [
      'claude-3-5-sonnet-latest',
      'claude-3-5-sonnet-20241022',
      'claude-3-opus-20240229',
      'claude-sonnet-4-20250514',
      'claude-opus-4-0',
    ]) {
      const facts = modelFacts(id, NOW_MS);
      expect(facts.status).toBe('retired');
      expect(modelFacts(facts.successor ?? '', NOW_MS).status).toBe('active');
    }
  });

  it('calls a model ending for its last 60 days, and retired after its last day', () => {
    const at = (date: string): string => modelFacts('claude-sonnet-4-5-20250929', Date.parse(date)).status;
    expect(at('2026-10-01T00:00:00Z')).toBe('active');
    expect(at('2026-10-03T00:00:00Z')).toBe('ending');
    expect(at('2026-11-30T23:59:59Z')).toBe('ending');
    expect(at('2026-12-01T00:00:00Z')).toBe('retired');
  });

  it('has nothing against a model that it does not know', () => {
    for (const id of ['claude-of-tomorrow', '', 'constructor', 'gpt-4'])
      expect(modelFacts(id, NOW_MS)).toEqual({ status: 'unknown' });
  });
});
