/** The capabilities that a request uses, by the names of the API. */
import { describe, expect, it } from 'vitest';
import { featuresOf } from '../../../../src/domain/row/features.ts';

const pdf = { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: '' } };
const text = { type: 'document', source: { type: 'text', media_type: 'text/plain', data: '' } };
const user = (...content: unknown[]): object => ({ messages: [{ role: 'user', content }] });

describe('featuresOf', () => {
  it.each<[object, string[]]>([
    [{}, []],
    [{ messages: [{ role: 'user', content: 'plain' }], tools: [{ name: 'mine', input_schema: {} }] }, []],
    [{ thinking: { type: 'adaptive' } }, ['thinking.types.adaptive']],
    [{ output_config: { effort: 'xhigh' } }, ['effort.xhigh']],
    [
      { output_config: { effort: 'low', format: { type: 'json_schema', schema: {} } } },
      ['effort.low', 'structured_outputs'],
    ],
    [{ output_format: { type: 'json_schema', schema: {} } }, ['structured_outputs']],
    [{ context_management: { edits: [{ type: 'compact_20260112' }] } }, ['context_management.compact_20260112']],
    [
      { tools: [{ type: 'web_search_20250305', name: 'web_search' }, { type: 'code_execution_20250825' }] },
      ['server_tools.web_search', 'server_tools.code_execution'],
    ],
    [user({ type: 'image', source: {} }, { type: 'image', source: {} }), ['image_input']],
    [user(pdf), ['pdf_input']],
    [user(text), []],
    [user({ ...text, citations: { enabled: true } }), ['citations']],
    [user({ type: 'tool_result', content: [{ type: 'image', source: {} }] }), ['image_input']],
    [{ thinking: 'no', output_config: [], tools: {}, messages: 'none', context_management: 1 }, []],
    [user(null, 7, 'text'), []],
  ])('%j', (params, wanted) => {
    expect(featuresOf(params as Record<string, unknown>).map(({ capability }) => capability)).toEqual(wanted);
  });
});
