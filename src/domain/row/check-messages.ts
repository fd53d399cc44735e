/**
 * Checks `messages` and `system` as the API does, so that a row that must fail is refused before it is sent.
 * Only the frame is looked at, never the text: roles, and blocks that have a type. Messages name places, not words.
 */
import { MESSAGES_MAX } from '../limits.ts';
import type { Findings } from './findings.ts';
import { isObject, kindOf, shown } from './shape.ts';

export function checkMessages(messages: unknown, findings: Findings): void {
  if (messages === undefined) {
    findings.problem(
      'missing_param',
      'messages is missing: put it in the row, or say with --prompt how a row becomes a message',
    );
  } else if (!Array.isArray(messages)) {
    findings.problem('bad_param', `messages must be a list, and is ${kindOf(messages)}`);
  } else if (messages.length === 0) {
    findings.problem('bad_param', 'messages is empty: at least one user message is needed');
  } else if (messages.length > MESSAGES_MAX) {
    findings.problem('bad_param', `messages has ${messages.length} entries; the most is ${MESSAGES_MAX}`);
  } else {
    for (let index = 0; index < messages.length && !findings.full; index++) {
      const at = { index, last: index === messages.length - 1, before: messages[index - 1] as unknown };
      checkMessage(messages[index], at, findings);
    }
  }
}

interface Turn {
  readonly index: number;
  readonly last: boolean;
  readonly before: unknown;
}

function checkMessage(message: unknown, at: Turn, findings: Findings): void {
  if (!isObject(message)) {
    findings.problem('bad_param', `messages[${at.index}] must be an object, and is ${kindOf(message)}`);
    return;
  }
  const { role, content } = message;
  if (role !== 'user' && role !== 'assistant' && role !== 'system') {
    const hint = role === 'developer' ? ' (use the top-level system parameter)' : '';
    findings.problem(
      'bad_param',
      `messages[${at.index}].role must be "user" or "assistant", and is ${shown(role)}${hint}`,
    );
  } else if (at.index === 0 && role !== 'user') {
    findings.problem('bad_param', `messages[0].role must be "user", and is ${shown(role)}`);
  } else if (role === 'system' && !(isObject(at.before) && at.before['role'] === 'user')) {
    findings.problem('bad_param', `messages[${at.index}] is a system message, which may follow a user message only`);
  }
  // Only the answer that the model is to go on with may be empty.
  if (!(at.last && role === 'assistant' && content === ''))
    checkContent(content, { where: `messages[${at.index}].content`, role }, findings);
}

interface Place {
  readonly where: string;
  readonly role: unknown;
}

function checkContent(content: unknown, { where, role }: Place, findings: Findings): void {
  if (typeof content === 'string') {
    if (isBlank(content)) findings.problem('bad_param', `${where} is empty`);
  } else if (Array.isArray(content)) {
    if (content.length === 0) findings.problem('bad_param', `${where} is empty`);
    for (let index = 0; index < content.length && !findings.full; index++) {
      const place = { where: `${where}[${index}]`, role };
      checkBlock(content[index], place.where, findings);
      checkVersion(content[index], place, findings);
    }
  } else {
    findings.problem('bad_param', `${where} must be text or a list of blocks, and is ${kindOf(content)}`);
  }
}

function checkBlock(block: unknown, where: string, findings: Findings): void {
  if (!isObject(block)) {
    findings.problem('bad_param', `${where} must be an object with a type, and is ${kindOf(block)}`);
  } else if (typeof block['type'] !== 'string') {
    findings.problem('bad_param', `${where}.type must be text, and is ${kindOf(block['type'])}`);
  } else if (block['type'] === 'image_url' || block['type'] === 'input_text') {
    const instead = block['type'] === 'image_url' ? '{"type":"image","source":…}' : '{"type":"text","text":…}';
    findings.problem('bad_param', `${where}.type is ${shown(block['type'])}, which is OpenAI's: use ${instead}`);
  } else if (block['type'] === 'text') {
    if (typeof block['text'] !== 'string') {
      findings.problem('bad_param', `${where}.text must be text, and is ${kindOf(block['text'])}`);
    } else if (isBlank(block['text'])) {
      findings.problem('bad_param', `${where}.text is empty`);
    }
  }
}

/** What version 2026-10-21 no longer takes (facts/api.md section 0). */
function checkVersion(block: unknown, { where, role }: Place, findings: Findings): void {
  if (!isObject(block)) return;
  if (role === 'assistant' && block['type'] === 'document') {
    findings.problem('bad_param', `${where} is a document in an assistant message: put it into a user message`);
  } else if (role === 'user' && block['type'] === 'text') {
    const { citations } = block;
    if (!Array.isArray(citations) || citations.length === 0) return;
    findings.problem('bad_param', `${where}.citations must be left out: a text of the user has none`);
  }
}

export function checkSystem(system: unknown, findings: Findings): void {
  if (typeof system === 'string') return;
  if (!Array.isArray(system)) {
    findings.problem('bad_param', `system must be text or a list of text blocks, and is ${kindOf(system)}`);
    return;
  }
  for (let index = 0; index < system.length && !findings.full; index++) {
    const block: unknown = system[index];
    if (isObject(block) && block['type'] !== 'text') {
      findings.problem('bad_param', `system[${index}].type must be "text", and is ${shown(block['type'])}`);
    } else {
      checkBlock(block, `system[${index}]`, findings);
    }
  }
}

/** Nothing but white space. The first character settles it for nearly every text. */
export function isBlank(text: string): boolean {
  return !(text.charCodeAt(0) > 32) && text.trim() === '';
}
