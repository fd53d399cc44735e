/**
 * Which capabilities of its model a request uses, by the names that the API gives them (`capabilities` of GET
 * /v1/models/{id}, SDK 1.10.0 models.ts): what a preflight holds against what the model has.
 */
import { isObject, type JsonObject } from './shape.ts';

export interface UsedFeature {
  /** Its path, as in `ModelInfo.capabilities`. */
  readonly capability: string;
  /** How it stands in the request. */
  readonly text: string;
}

/** Tools that run at the API, by how their dated types begin. */
const SERVER_TOOLS: readonly string[] = ['web_search', 'code_execution'];

/** Each once. */
export function featuresOf(params: JsonObject): readonly UsedFeature[] {
  const found = new Map<string, UsedFeature>();
  const use = (capability: string, text: string): void => {
    if (!found.has(capability)) found.set(capability, { capability, text });
  };
  useConfig(params, use);
  useTools(params['tools'], use);
  const { messages } = params;
  for (const message of listOf(messages)) if (isObject(message)) useBlocks(message['content'], use);
  return [...found.values()];
}

type Use = (capability: string, text: string) => void;

function useConfig(
  { thinking, output_config: config, output_format: format, context_management: context }: JsonObject,
  use: Use,
): void {
  if (isObject(thinking) && typeof thinking['type'] === 'string') {
    use(`thinking.types.${thinking['type']}`, `thinking of type "${thinking['type']}"`);
  }
  if (isObject(config)) {
    const { effort } = config;
    if (typeof effort === 'string') use(`effort.${effort}`, `effort "${effort}"`);
    if (isObject(config['format'])) use('structured_outputs', 'structured output (output_config.format)');
  }
  if (isObject(format)) use('structured_outputs', 'structured output (output_format)');
  for (const edit of listOf(isObject(context) ? context['edits'] : undefined)) {
    if (isObject(edit) && typeof edit['type'] === 'string') use(`context_management.${edit['type']}`, edit['type']);
  }
}

function useTools(tools: unknown, use: Use): void {
  for (const tool of listOf(tools)) {
    const type = isObject(tool) ? tool['type'] : undefined;
    const name = typeof type === 'string' ? SERVER_TOOLS.find((one) => type.startsWith(`${one}_`)) : undefined;
    if (name !== undefined) use(`server_tools.${name}`, `the tool ${name}`);
  }
}

function useBlocks(content: unknown, use: Use): void {
  for (const block of listOf(content)) {
    if (!isObject(block)) continue;
    switch (block['type']) {
      case 'image':
        use('image_input', 'images');
        break;
      case 'document':
        useDocument(block, use);
        break;
      case 'tool_result':
        useBlocks(block['content'], use);
        break;
      default:
    }
  }
}

/** Plain text in a document is text like any other. */
function useDocument({ source, citations }: JsonObject, use: Use): void {
  if (isObject(source) && source['media_type'] === 'application/pdf') use('pdf_input', 'PDF documents');
  if (isObject(citations) && citations['enabled'] === true) use('citations', 'citations');
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
