/**
 * Asks the API what can be known before anything is sent: are the models of a run there, served, and fit for batches, and
 * does a sample of the rows (spread over the input, and the longest) pass count_tokens, which checks their shape for free?
 *
 * It finds and never refuses: whoever submits decides. It ends within PREFLIGHT_MS_MAX whatever the API does; an API that
 * cannot be asked is no reason to stop, because the upload says the same with its own words.
 */
import { REALTIME_BYTES_MAX } from '../../domain/limits.ts';
import type { ModelMix } from '../../domain/model.ts';
import type { BatchApi, ModelInfo } from '../../domain/ports.ts';
import { isBeyondWindow, lookOf, rowProblem, type ModelLook } from '../../domain/preflight.ts';
import { featuresOf, type UsedFeature } from '../../domain/row/features.ts';
import type { JsonObject } from '../../domain/row/shape.ts';
import { saidOf } from '../../domain/said.ts';
import { Asking, type AskStop } from './asking.ts';
import type { Engine } from '../engine.ts';
import type { ShownProblem } from '../ingest/problems.ts';
import { RequestReader } from '../retry/requests.ts';
import { RowNames } from '../output/row-names.ts';
import { readSample, type SampledRow } from './row-sample.ts';
import { countWith, type CountedRow, type SampleCount, type SampleMark } from './token-count.ts';

/** Two seconds are usual. Twenty are what a person waits for without wondering, and little beside a batch. */
export const PREFLIGHT_MS_MAX = 20_000;
/** A mistake that is in every tenth row is in one of 20 at 88 %, and the rows that are too long are the longest. */
export const SAMPLE_ROWS = 20;
export const SAMPLE_LONGEST = 3;
/** A file with more models than this chooses them by a column; those of most rows are looked at. */
const MODELS_MAX = 20;
/** Rows whose words are read again to quote what the API says of them. */
const SHOWN_MAX = 10;

export interface PreflightRequest {
  readonly api: Pick<BatchApi, 'retrieveModel' | 'countTokens'>;
  readonly runId: string;
  readonly mix: ModelMix;
  readonly inputs: readonly string[];
}

export interface PreflightReport {
  readonly models: readonly ModelLook[];
  /** Rows that were asked about: those that were counted, and those that are refused. */
  readonly askedRows: number;
  readonly counted: readonly CountedRow[];
  readonly refusedRows: number;
  /** The first refused rows, and why. */
  readonly problems: readonly ShownProblem[];
  /** Rows whose prompt and longest answer do not fit into the context window together. */
  readonly beyondWindow: readonly CountedRow[];
  /** Why not everything was asked; null where it was. */
  readonly stopped: AskStop | null;
}

export async function preflight(engine: Engine, request: PreflightRequest): Promise<PreflightReport> {
  const asking = new Asking(engine, PREFLIGHT_MS_MAX);
  try {
    return await new Preflight(engine, request, asking).run();
  } finally {
    asking.end();
  }
}

/** A row that is refused, by the API or for what its model does not have. */
interface Refused extends SampleMark {
  readonly code: string;
  /** The API's own words, not yet fit to be shown; null: `text` is ours. */
  readonly said: string | null;
  readonly text: string;
}

class Preflight {
  readonly #engine: Engine;
  readonly #request: PreflightRequest;
  readonly #asking: Asking;
  readonly #features = new Map<number, readonly UsedFeature[]>();

  constructor(engine: Engine, request: PreflightRequest, asking: Asking) {
    this.#engine = engine;
    this.#request = request;
    this.#asking = asking;
  }

  async run(): Promise<PreflightReport> {
    const models = await this.#lookAtModels();
    const { counted, refused, stopped } = await this.#count();
    const infos = new Map(models.map(({ id, info }) => [id, info]));
    const missing = new Set(models.filter(({ state }) => state === 'missing').map(({ id }) => id));
    const all: Refused[] = refused
      // That their model does not exist is said once, of the model.
      .filter(({ model }) => !missing.has(model))
      .map(({ failure, ...row }) => ({ ...row, code: failure.type ?? 'refused', said: failure.message, text: '' }));
    for (const row of counted) {
      const text = this.#lacking(row, infos.get(row.model) ?? null);
      if (text !== null) all.push({ ...row, code: 'model_refuses', said: null, text });
    }
    all.sort((one, other) => one.seq - other.seq);
    const beyondWindow = counted.filter((row) => {
      const info = infos.get(row.model);
      return info ? isBeyondWindow(row, info) : false;
    });
    const refusedRows = all.length;
    const problems = await this.#shown(all.slice(0, SHOWN_MAX));
    return {
      models,
      askedRows: counted.length + refused.length,
      counted,
      refusedRows,
      problems,
      beyondWindow,
      stopped,
    };
  }

  async #count(): Promise<SampleCount> {
    const { api } = this.#request;
    const count = await countWith(this.#asking, api, this.#sample());
    const lost = count.refused.find(({ failure, model }) => failure.status === 404 && !failure.message.includes(model));
    if (!lost || count.counted.length > 0) return count;
    // Is it about the rows (a file that is gone), or is there no such question here? One that has nothing to find tells.
    const asked = await this.#asking.ask((signal) => api.countTokens({ ...plainCall(lost.model), signal }));
    if (asked.kind !== 'refused' || asked.failure.status !== 404) return count;
    return { ...count, refused: [], stopped: { kind: 'failed', failure: asked.failure } };
  }

  /** The rows one by one; what each uses is noted while it is in memory. */
  async *#sample(): AsyncGenerator<SampledRow> {
    const options = { count: SAMPLE_ROWS, longest: SAMPLE_LONGEST, bytesMax: REALTIME_BYTES_MAX };
    for await (const row of readSample(this.#engine, this.#request.runId, options)) {
      this.#features.set(row.seq, featuresOf(JSON.parse(row.paramsJson) as JsonObject));
      yield row;
    }
  }

  async #lookAtModels(): Promise<readonly ModelLook[]> {
    const { mix } = this.#request;
    const ids = Object.keys(mix).sort((one, other) => (mix[other]?.rows ?? 0) - (mix[one]?.rows ?? 0));
    return Promise.all(ids.slice(0, MODELS_MAX).map((id) => this.#lookAt(id)));
  }

  async #lookAt(id: string): Promise<ModelLook> {
    const nowMs = this.#engine.clock.now();
    const asked = await this.#asking.ask((signal) => this.#request.api.retrieveModel(id, signal));
    if (asked.kind === 'over') return lookOf(id, null, { exists: null, nowMs });
    const info = asked.kind === 'answered' ? asked.value : null;
    return lookOf(id, info, { exists: info === null ? await this.#exists(id) : true, nowMs });
  }

  /**
   * Of a model that the API says nothing of: a request of it without any row. A proxy may pass only messages on; only an
   * answer that names the model is taken for a word about it.
   */
  async #exists(id: string): Promise<boolean | null> {
    const { api } = this.#request;
    const asked = await this.#asking.ask((signal) => api.countTokens({ ...plainCall(id), signal }));
    if (asked.kind === 'answered') return true;
    if (asked.kind !== 'refused' || asked.failure.status !== 404) return null;
    return asked.failure.message.includes(id) ? false : null;
  }

  #lacking(row: SampleMark, info: ModelInfo | null): string | null {
    return info === null ? null : rowProblem({ ...row, features: this.#features.get(row.seq) ?? [] }, info);
  }

  async #shown(rows: readonly Refused[]): Promise<readonly ShownProblem[]> {
    const { store, files } = this.#engine;
    const { runId, inputs } = this.#request;
    const requests = new RequestReader(store, files);
    const names = new RowNames({ store, files }, runId);
    const shown: ShownProblem[] = [];
    try {
      for (const { chunkNo, index, code, said, text } of rows) {
        const { id, line, file = 0 } = await names.of(chunkNo, index);
        let message = text;
        if (said !== null) {
          const { paramsJson } = await requests.params(runId, { homeChunkNo: chunkNo, homeIndex: index });
          message = `the API refuses it: ${saidOf(said, JSON.parse(paramsJson))}`;
        }
        shown.push({ file: inputs[file] ?? '', line, id, code, message });
      }
      return shown;
    } finally {
      await requests.close();
      await names.close();
    }
  }
}

/** A request that says nothing, for what is not about rows. */
function plainCall(model: string): { readonly paramsJson: string; readonly betas: readonly string[] } {
  return { paramsJson: JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello' }] }), betas: [] };
}
