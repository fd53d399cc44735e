/**
 * Judges the turns of a request: roles, order, and the blocks in them.
 *
 * Part of validate.ts. Blocks are checked as deep as a batch file gets them wrong in practice: kind, text, source,
 * ids of tool calls; not the inside of images and documents.
 */
import { STRICT_VERSION, type SimModel } from './catalogue.ts';
import { isArray, isRecord, type JsonRecord } from './json.ts';
import type { Complaint, JudgeContext } from './judge.ts';

/** ContentBlockParam of SDK 1.10.0. */
const BLOCK_TYPES = new Set([
  ...['text', 'image', 'document', 'search_result', 'thinking', 'redacted_thinking', 'tool_use', 'tool_result'],
  ...['server_tool_use', 'web_search_tool_result', 'web_fetch_tool_result', 'code_execution_tool_result'],
  ...['bash_code_execution_tool_result', 'text_editor_code_execution_tool_result', 'tool_search_tool_result'],
  'container_upload',
]);

export function checkMessages(params: JsonRecord, model: SimModel, context: JudgeContext): Complaint {
  const messages = isArray(params['messages']) ? params['messages'] : [];
  for (const [at, message] of messages.entries()) {
    const complaint = checkMessage(message, at, { messages, model, context });
    if (complaint !== undefined) return complaint;
  }
  const first = messages[0];
  if (isRecord(first) && first['role'] !== 'user') return 'messages: first message must use the "user" role';
  const last = messages.at(-1);
  if (isRecord(last) && last['role'] === 'assistant' && model.generation >= 4.6) {
    return 'This model does not support assistant message prefill. The conversation must end with a user message.';
  }
  return undefined;
}

interface Where {
  readonly messages: readonly unknown[];
  readonly model: SimModel;
  readonly context: JudgeContext;
}

function checkMessage(message: unknown, at: number, where: Where): Complaint {
  if (!isRecord(message)) return `messages.${at}: Input should be a valid dictionary`;
  const { role, content } = message;
  if (role === undefined) return `messages.${at}.role: Field required`;
  if (role !== 'user' && role !== 'assistant' && role !== 'system') {
    return `messages.${at}.role: Input should be 'user', 'assistant' or 'system'`;
  }
  if (role === 'system') {
    const complaint = checkSystemTurn(at, where);
    if (complaint !== undefined) return complaint;
  }
  const extra = Object.keys(message).find((name) => name !== 'role' && name !== 'content');
  if (extra !== undefined) return `messages.${at}.${extra}: Extra inputs are not permitted`;
  if (content === undefined) return `messages.${at}.content: Field required`;
  const isLast = at === where.messages.length - 1;
  if (typeof content === 'string')
    return content === '' && !(isLast && role === 'assistant') ? emptyContent(at) : undefined;
  if (!isArray(content)) return `messages.${at}.content: Input should be a valid string or list`;
  if (content.length === 0) return isLast && role === 'assistant' ? undefined : emptyContent(at);
  for (const [index, block] of content.entries()) {
    const complaint = checkBlock(block, `messages.${at}.content.${index}`, role, where.context);
    if (complaint !== undefined) return complaint;
  }
  return undefined;
}

/** A system turn may only follow a user turn, on newer models (facts section 8). */
function checkSystemTurn(at: number, where: Where): Complaint {
  if (at === 0) return "messages.0: use the top-level 'system' parameter";
  if (where.model.generation < 5) return `messages.${at}: role 'system' is not supported on this model`;
  const before = where.messages[at - 1];
  if (!isRecord(before) || before['role'] !== 'user') return `messages.${at}: role 'system' must follow a user message`;
  return undefined;
}

function emptyContent(at: number): string {
  return `messages.${at}: all messages must have non-empty content except for the optional final assistant message`;
}

function checkBlock(block: unknown, path: string, role: string, context: JudgeContext): Complaint {
  if (!isRecord(block)) return `${path}: Input should be a valid dictionary`;
  const type = block['type'];
  if (type === undefined) return `${path}.type: Field required`;
  if (typeof type !== 'string' || !BLOCK_TYPES.has(type)) {
    return `${path}: Input tag '${typeof type === 'string' ? type : JSON.stringify(type)}' found using 'type' does not match any of the expected tags`;
  }
  const isStrict = context.version === STRICT_VERSION;
  switch (type) {
    case 'text':
      if (typeof block['text'] !== 'string') return `${path}.text.text: Field required`;
      if (block['text'] === '') return 'messages: text content blocks must be non-empty';
      if (isStrict && role === 'user' && isArray(block['citations']) && block['citations'].length > 0) {
        return `${path}.text.citations: citations are not permitted in user text blocks`;
      }
      return undefined;
    case 'image':
    case 'document':
      if (isStrict && type === 'document' && role === 'assistant') {
        return `${path}: document blocks are not permitted in assistant messages`;
      }
      return isRecord(block['source']) ? undefined : `${path}.${type}.source: Field required`;
    case 'tool_use':
      return typeof block['id'] === 'string' ? undefined : `${path}.tool_use.id: Field required`;
    case 'tool_result':
      return typeof block['tool_use_id'] === 'string' ? undefined : `${path}.tool_result.tool_use_id: Field required`;
    default:
      return undefined;
  }
}
