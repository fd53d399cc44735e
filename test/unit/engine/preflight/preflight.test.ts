/** What a preflight finds by what the API says, and that an API that says nothing stops nobody. */
import { describe, expect, it } from 'vitest';
import type { ModelInfo } from '../../../../src/domain/ports.ts';
import type { IngestReport } from '../../../../src/engine/ingest/ingest.ts';
import {
  preflight,
  PREFLIGHT_MS_MAX,
  SAMPLE_LONGEST,
  SAMPLE_ROWS,
  type PreflightReport,
} from '../../../../src/engine/preflight/preflight.ts';
import { lab, refused, row, rows, type Json, type Lab } from '../lab.ts';

const MODEL = 'claude-haiku-5-5';

const info = (more: Partial<ModelInfo> = {}): ModelInfo => ({
  ...{ id: MODEL, lifecycle: 'active', deprecatedAtMs: null, retiresAtMs: null, contextTokens: 1_000_000 },
  ...{ maxTokens: 128_000, batchSupported: true, capabilities: { batch: true }, ...more },
});

const notFound = (message: string): Error => refused({ status: 404, type: 'not_found_error', message });
const PROXY = refused({ status: 404, type: null, message: 'Not Found' });

/** The preflight of these rows, in the hook where submit asks. */
async function flight(
  input: readonly Json[],
  prepare: (house: Lab) => void = () => undefined,
): Promise<{ report: PreflightReport; house: Lab; tookMs: number }> {
  const house = lab();
  house.api.onModel = () => info();
  prepare(house);
  let report: PreflightReport | undefined;
  const beganMs = house.clock.monotonicMs();
  const confirm = async ({ runId, mix }: IngestReport): Promise<IngestReport['mix']> => {
    report = await preflight(house.engine, { api: house.api, runId, mix, inputs: ['/in/rows.jsonl'] });
    return mix;
  };
  await house.clock.run(house.ingest(input, { settings: { chunkRows: 30 }, request: { confirm } }));
  if (!report) throw new Error('nobody asked');
  expect(house.clock.sleeping).toBe(0);
  return { report, house, tookMs: house.clock.monotonicMs() - beganMs };
}

function withParams(at: number, more: Json): Json {
  const { params, ...rest } = row(at);
  return { ...rest, params: { ...(params as Json), ...more } };
}

describe('of a run that is good', () => {
  it('looks at its model once and counts a sample: spread, and the longest', async () => {
    const long = withParams(57, { messages: [{ role: 'user', content: 'x'.repeat(4_000) }] });
    const { report, house } = await flight([...rows(57), long, ...rows(100).slice(58)]);
    expect(report.models).toMatchObject([{ id: MODEL, state: 'active', takesBatches: true, retires: null }]);
    expect(report).toMatchObject({ refusedRows: 0, problems: [], beyondWindow: [], stopped: null });
    expect(report.askedRows).toBeGreaterThanOrEqual(SAMPLE_ROWS);
    expect(report.askedRows).toBeLessThanOrEqual(SAMPLE_ROWS + SAMPLE_LONGEST);
    expect(report.counted.map(({ seq }) => seq)).toContain(57);
    expect(Math.max(...report.counted.map(({ tokens }) => tokens))).toBeGreaterThan(1_000);
    expect(house.api.calls.filter((call) => call !== 'count')).toEqual([`model ${MODEL}`]);
    expect(house.api.calls.filter((call) => call === 'count')).toHaveLength(report.askedRows);
  });

  it('of one row counts that row', async () => {
    const { report } = await flight(rows(1));
    expect(report).toMatchObject({ askedRows: 1, counted: [{ seq: 0, model: MODEL }] });
  });
});

describe('a model', () => {
  it.each<[string, ModelInfo, object]>([
    [
      'that is retired',
      info({ lifecycle: 'retired', retiresAtMs: Date.UTC(2020, 0, 5) }),
      { state: 'retired', retires: '2020-01-05' },
    ],
    [
      'whose day is over',
      info({ lifecycle: 'deprecated', retiresAtMs: 0 }),
      { state: 'retired', retires: '1970-01-01' },
    ],
    [
      'that ends one day',
      info({ lifecycle: 'deprecated', retiresAtMs: Date.UTC(2099, 0, 5) }),
      { state: 'deprecated', retires: '2099-01-05' },
    ],
    ['that takes no batches', info({ batchSupported: false }), { state: 'active', takesBatches: false }],
    [
      'of which the API says only that it is there',
      info({ lifecycle: null, batchSupported: null, capabilities: {} }),
      { state: 'active', takesBatches: null },
    ],
  ])('%s is told as it is', async (_name, of, wanted) => {
    const { report } = await flight(rows(2), ({ api }) => (api.onModel = () => of));
    expect(report.models).toMatchObject([wanted]);
  });

  it('that is neither among the models nor counted does not exist; the nearest name is told, and no row is blamed', async () => {
    const model = 'claude-haiku-5.5';
    const { report } = await flight(
      [0, 1, 2].map((at) => withParams(at, { model })),
      ({ api }) => {
        api.onModel = () => null;
        api.onCount = () => {
          throw notFound(`model: ${model}`);
        };
      },
    );
    expect(report.models).toMatchObject([{ id: model, state: 'missing', instead: MODEL }]);
    expect(report).toMatchObject({ refusedRows: 0, problems: [], stopped: null });
  });

  it('that a proxy does not list but counts is one that nothing is said of', async () => {
    const { report } = await flight(rows(3), ({ api }) => (api.onModel = () => null));
    expect(report.models).toMatchObject([{ state: 'untold', instead: null }]);
    expect(report.counted).toHaveLength(3);
  });

  it.each([
    ['a proxy that has neither', PROXY],
    ['a proxy that speaks as the API does', notFound('Not Found')],
  ])('of %s is not taken for one that does not exist', async (_name, failure) => {
    const { report } = await flight(rows(3), ({ api }) => {
      api.onModel = () => null;
      api.onCount = () => {
        throw failure;
      };
    });
    expect(report).toMatchObject({ models: [{ state: 'untold' }], refusedRows: 0, stopped: { kind: 'failed' } });
  });

  it('that is there, and a file of the rows that is not: the rows are refused', async () => {
    const { report } = await flight(rows(3), ({ api }) => {
      api.onCount = ({ paramsJson }) => {
        if (!paramsJson.includes('question')) return 8;
        throw notFound('File not found: file_1');
      };
    });
    expect(report).toMatchObject({ models: [{ state: 'active' }], refusedRows: 3, stopped: null });
  });

  it('is looked at for each that the rows name', async () => {
    const models = ['claude-opus-5', 'claude-sonnet-5', MODEL];
    const { report } = await flight(
      Array.from({ length: 30 }, (_unused, at) => withParams(at, { model: models[at % 3] })),
      ({ api }) => (api.onModel = (id) => info({ id, batchSupported: id !== 'claude-opus-5' })),
    );
    expect(report.models.map(({ id, takesBatches }) => [id, takesBatches]).sort()).toEqual([
      ['claude-haiku-5-5', true],
      ['claude-opus-5', false],
      ['claude-sonnet-5', true],
    ]);
  });
});

describe('rows', () => {
  it('that the API refuses are named by id and line, without their words', async () => {
    const secret = 'my secret question about rabbits';
    const bad = withParams(1, { messages: [{ role: 'user', content: secret }] });
    const { report } = await flight([row(0), bad, row(2)], ({ api }) => {
      api.onCount = ({ paramsJson }) => {
        if (!paramsJson.includes('rabbits')) return 7;
        throw refused({ status: 400, type: 'invalid_request_error', message: `messages.0: "${secret}" is no good` });
      };
    });
    expect(report).toMatchObject({ askedRows: 3, refusedRows: 1 });
    expect(report.problems).toEqual([
      {
        ...{ file: '/in/rows.jsonl', line: 2, id: 'row-1', code: 'invalid_request_error' },
        message: 'the API refuses it: messages.0: "…" is no good',
      },
    ]);
  });

  it('that use what their model does not have are refused in our words', async () => {
    const input = [
      withParams(0, { thinking: { type: 'adaptive' } }),
      withParams(1, { output_config: { effort: 'max' } }),
      withParams(2, { output_config: { format: { type: 'json_schema', schema: {} } } }),
      withParams(3, { messages: [{ role: 'user', content: [{ type: 'image', source: {} }] }] }),
      withParams(4, { max_tokens: 9_000 }),
      row(5),
    ];
    const capabilities = {
      ...{ 'thinking.types.adaptive': false, 'effort.max': false, structured_outputs: false, image_input: false },
    };
    const { report } = await flight(input, ({ api }) => {
      api.onModel = () => info({ capabilities, maxTokens: 8_000 });
    });
    expect(report.refusedRows).toBe(5);
    expect(report.problems.map(({ id, code, message }) => [id, code, message])).toEqual([
      ['row-0', 'model_refuses', `${MODEL} does not support thinking of type "adaptive"`],
      ['row-1', 'model_refuses', `${MODEL} does not support effort "max"`],
      ['row-2', 'model_refuses', `${MODEL} does not support structured output (output_config.format)`],
      ['row-3', 'model_refuses', `${MODEL} does not support images`],
      ['row-4', 'model_refuses', `max_tokens is 9,000, and ${MODEL} writes 8,000 at most`],
    ]);
  });

  it('whose longest answer does not fit behind their prompt are told', async () => {
    const { report } = await flight(rows(3), ({ api }) => {
      api.onModel = () => info({ contextTokens: 1_000 });
      api.onCount = ({ paramsJson }) => (paramsJson.includes('question 1') ? 901 : 900);
    });
    expect(report.beyondWindow).toMatchObject([{ seq: 1, tokens: 901, maxTokens: 100 }]);
    expect(report.refusedRows).toBe(0);
  });

  it('that are refused are shown up to ten, and all counted', async () => {
    const { report } = await flight(rows(100), ({ api }) => {
      api.onCount = () => {
        throw refused({ status: 400, type: 'invalid_request_error', message: 'no' });
      };
    });
    expect(report.refusedRows).toBe(report.askedRows);
    expect(report.problems).toHaveLength(10);
  });
});

describe('an API that cannot be asked stops nobody', () => {
  it.each([
    ['is not there', { connection: 'never_made' }],
    ['is in trouble', { status: 529, type: 'overloaded_error' }],
    ['refuses the key', { status: 401, type: 'authentication_error' }],
    ['does not allow it', { status: 403, type: 'permission_error' }],
  ] as const)('when it %s', async (_name, failure) => {
    const { report, tookMs } = await flight(rows(50), ({ api }) => {
      api.onModel = () => {
        throw refused(failure);
      };
    });
    expect(report).toMatchObject({ askedRows: 0, refusedRows: 0, stopped: { kind: 'failed', failure } });
    expect(report.models).toMatchObject([{ state: 'untold' }]);
    expect(tookMs).toBeLessThan(PREFLIGHT_MS_MAX);
  });

  it('when it hangs: the time is up, and what was found is kept', async () => {
    const { report, tookMs } = await flight(rows(50), ({ api }) => {
      api.onCount = async ({ signal }) => {
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        throw refused({ connection: 'aborted' });
      };
    });
    expect(report).toMatchObject({ models: [{ state: 'active' }], askedRows: 0, stopped: { kind: 'time' } });
    expect(tookMs).toBe(PREFLIGHT_MS_MAX);
  });

  it('when a passing trouble passes, all is asked', async () => {
    let asked = 0;
    const { report } = await flight(rows(5), ({ api }) => {
      api.onModel = () => {
        if (asked++ > 0) return info();
        throw refused({ status: 529, type: 'overloaded_error' });
      };
    });
    expect(report).toMatchObject({ models: [{ state: 'active' }], askedRows: 5, stopped: null });
  });
});
