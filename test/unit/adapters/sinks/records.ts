/** Records and lines that the tests of the output formats share. */
import type { OutputRecord } from '../../../../src/domain/output-record.ts';

export const WIRE_ID = '0a1b2c3d4e-3-17';

/** A query of a bank's customer as they come: commas, quotes, two lines, letters beyond ASCII. */
export const TEXT = 'I tried to "top up", twice,\nand my card – the gold one – was declined. ¿Qué hago?';

const USAGE =
  '{"input_tokens":1000,"cache_creation_input_tokens":0,"cache_read_input_tokens":200,"output_tokens":300,"service_tier":"batch"}';

export function succeededLine(content: unknown = [{ type: 'text', text: TEXT }], model = 'claude-haiku-4-5'): string {
  return `{"custom_id":"${WIRE_ID}","result":{"type":"succeeded","message":{"id":"msg_1","model":"${model}","content":${JSON.stringify(content)},"stop_reason":"end_turn","usage":${USAGE}}}}`;
}

export const ERRORED_LINE = `{"custom_id":"${WIRE_ID}","result":{"type":"errored","error":{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: too many"},"request_id":"req_1"}}}`;

export function record(more: Partial<Omit<OutputRecord, 'resultLine'>> & { line?: string | null } = {}): OutputRecord {
  const { line = succeededLine(), ...fields } = more;
  return {
    seq: 4,
    customId: 'row-5',
    columns: undefined,
    state: 'succeeded',
    lane: 'batch',
    resultLine: line === null ? null : Buffer.from(line),
    wireId: line === null ? null : WIRE_ID,
    errorType: null,
    errorMessage: null,
    attempts: 1,
    ...fields,
  };
}
