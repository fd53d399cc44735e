/**
 * Each call through the SDK's own method for it, as a bare response. The SDK begins an OpenTelemetry span in these
 * methods and nowhere else, and only where the user has registered a provider; a call by its path would never have one.
 *
 * Bodies are bytes of ours all the same: what the options name goes out in place of what a method makes of its params.
 * The params stay empty, so that no prompt is in a span unless the user asks for that.
 */
import type Anthropic from '@anthropic-ai/sdk';

type Options = NonNullable<Parameters<Anthropic['messages']['batches']['retrieve']>[2]>;

export function listBatches(
  client: Anthropic,
  { afterId, limit }: { readonly afterId: string | null; readonly limit: number },
  options: Options,
): Promise<Response> {
  const page = afterId === null ? { limit } : { limit, after_id: afterId };
  return client.messages.batches.list(page, options).asResponse();
}

export function retrieveBatch(client: Anthropic, id: string, options: Options): Promise<Response> {
  return client.messages.batches.retrieve(id, {}, options).asResponse();
}

export function cancelBatch(client: Anthropic, id: string, options: Options): Promise<Response> {
  return client.messages.batches.cancel(id, {}, options).asResponse();
}

export function deleteBatch(client: Anthropic, id: string, options: Options): Promise<Response> {
  return client.messages.batches.delete(id, {}, options).asResponse();
}

/** `options.body` is the body. */
export function createBatch(client: Anthropic, options: Options): Promise<Response> {
  return client.messages.batches.create({} as Anthropic.Messages.BatchCreateParams, options).asResponse();
}

/** `options.body` is the body. */
export function createMessage(client: Anthropic, options: Options): Promise<Response> {
  return client.messages.create({} as Anthropic.MessageCreateParamsNonStreaming, options).asResponse();
}

/** `options.body` is the body. */
export function countTokens(client: Anthropic, options: Options): Promise<Response> {
  return client.messages.countTokens({} as Anthropic.MessageCountTokensParams, options).asResponse();
}

export function retrieveModel(client: Anthropic, id: string, options: Options): Promise<Response> {
  return client.models.retrieve(id, {}, options).asResponse();
}

/** One model: for what the headers of the answer say. */
export function firstModel(client: Anthropic, options: Options): Promise<Response> {
  return client.models.list({ limit: 1 }, options).asResponse();
}
