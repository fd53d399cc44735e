/**
 * Turns an input record into a row that is ready to be sealed, or says everything that is wrong with it.
 *
 * A row's own params go before its route (--routes), that before the flags (--model, --max-tokens, --system, --prompt),
 * and those before --params.
 * What it hands on as `paramsJson` has been checked, is valid UTF-8, and is written once: nothing later parses it.
 * It is the hot path of ingest: an ordinary row costs a few look-ups and one JSON.stringify.
 */
import { BatchrunError } from '../../base/errors.ts';
import type { MarkedPrefix } from '../cache/blocks.ts';
import { CacheMarker } from '../cache/marker.ts';
import { addedTokensMost } from '../estimate/added-tokens.ts';
import { mediaOf } from '../estimate/media-tokens.ts';
import { CUSTOM_ID_CHARS_MAX } from '../limits.ts';
import { PRIORITIES, toPriority, type Priority } from '../priority.ts';
import type { RowNotice, RowProblem, RowReading, SourceRecord } from '../source.ts';
import { mergedBetas, NO_BETAS, withoutBetas } from './betas.ts';
import { isBlank } from './check-messages.ts';
import { ParamChecker } from './check-params.ts';
import { checkText, LONE_SURROGATE } from './check-text.ts';
import { CUT_NOTHING } from './cuts.ts';
import { DEPTH_MAX, isDeeper, TOO_DEEP } from './depth.ts';
import { Findings } from './findings.ts';
import { normalizeParams } from './normalize-params.ts';
import { closedWith, takeFormat, withFormat, type FormatDefault } from './output-format.ts';
import { stringifyParams } from './params-json.ts';
import { routedLane, routedParams, routedPriority, RowRouting, type RoutingOptions } from './row-routing.ts';
import { ID_COLUMN, isObject, kindOf, recognise, shown } from './shape.ts';
import type { JsonObject, Shape } from './shape.ts';
import type { Template } from './template.ts';
import type { OutputFormat } from '../schema/request-schema.ts';

export interface RowDefaults {
  readonly model?: string;
  readonly maxTokens?: number;
  readonly system?: string | Template;
  readonly prompt?: Template;
  /** From --params. */
  readonly params?: JsonObject;
  readonly betas?: readonly string[];
  /** From --schema: `output_config.format` of rows that have none of their own. */
  readonly format?: OutputFormat;
  /** The column with the custom id; `custom_id` unless given. */
  readonly idColumn?: string;
  readonly dropUnsupported?: boolean;
  /** False: what is known of models refuses no row (--no-preflight). */
  readonly modelRules?: boolean;
  /** Rows that begin like one of these get a mark for the prompt cache. */
  readonly cache?: readonly MarkedPrefix[];
  /** Of --routes. */
  readonly routing?: RoutingOptions;
  /** Are columns cut before they are put in (--truncate)? The templates do it. */
  readonly cuts?: boolean;
  readonly nowMs: number;
}

export interface RowReader {
  read(record: SourceRecord): RowReading;
}

const OTHER_PRIORITY: RowNotice = {
  code: 'priority',
  message: `a row's priority is none of ${PRIORITIES.join(', ')}: that of the run counts`,
};

const SAME_REQUEST: RowNotice = {
  code: 'same_request',
  message: '--prompt has no {{column}} in it: nothing of the row is sent, and each sends the same request',
};

const PROMPT_UNUSED: RowNotice = {
  code: 'prompt_unused',
  message: 'the row has messages of its own: --prompt is not used for it',
};

export function createRowReader(defaults: RowDefaults): RowReader {
  const reader = new Reader(defaults);
  return { read: (record) => reader.read(record) };
}

class Reader {
  readonly #defaults: RowDefaults;
  /** What every row starts from, and whether that is anything at all. */
  readonly #base: JsonObject;
  readonly #hasBase: boolean;
  readonly #betas: readonly string[];
  readonly #checker: ParamChecker;
  readonly #marker: CacheMarker | null;
  readonly #routing: RowRouting | undefined;
  readonly #format: FormatDefault | undefined;
  /** Is what the templates make the same for every row? */
  readonly #isSame: boolean;
  readonly #shapeOptions: { readonly idColumn?: string; readonly hasPrompt: boolean };

  constructor(defaults: RowDefaults) {
    const { betas: paramBetas, ...params } = defaults.params ?? {};
    const base: Record<string, unknown> = { ...params };
    if (defaults.model !== undefined) base['model'] = defaults.model;
    if (defaults.maxTokens !== undefined) base['max_tokens'] = defaults.maxTokens;
    if (typeof defaults.system === 'string') base['system'] = defaults.system;
    this.#format = defaults.format === undefined ? undefined : takeFormat(base, defaults.format);
    this.#defaults = defaults;
    this.#base = base;
    this.#hasBase = Object.keys(base).length > 0;
    this.#checker = new ParamChecker(defaults.nowMs, defaults.modelRules);
    this.#marker = defaults.cache?.length ? new CacheMarker(defaults.cache) : null;
    const findings = new Findings();
    this.#betas = mergedBetas(NO_BETAS, defaults.betas, findings, paramBetas);
    const [problem] = findings.problems;
    if (problem) throw new BatchrunError('E_USAGE', `--betas or --params: ${problem.message}`);
    this.#routing = defaults.routing && new RowRouting(defaults.routing);
    const hasPrompt = defaults.prompt !== undefined;
    const isFixed = (text: string | Template | undefined): boolean =>
      typeof text !== 'object' || text.placeholders.length === 0;
    this.#isSame = isFixed(defaults.prompt) && isFixed(defaults.system);
    this.#shapeOptions = defaults.idColumn === undefined ? { hasPrompt } : { hasPrompt, idColumn: defaults.idColumn };
  }

  read(record: SourceRecord): RowReading {
    try {
      return this.#read(record);
    } catch (error) {
      // A text that grew beyond what the engine can hold: one such row must not stop the others.
      if (!(error instanceof RangeError)) throw error;
      return this.#refused(TOO_DEEP);
    }
  }

  #read(record: SourceRecord): RowReading {
    if (record.problem !== undefined) return this.#refused(record.problem);
    // First of all, and not by trying.
    if (isDeeper(record.value, DEPTH_MAX)) return this.#refused(TOO_DEEP);
    const recognised = recognise(record.value, this.#shapeOptions);
    if (!recognised.ok) return this.#refused(recognised.problem, record.value);
    const { shape } = recognised;
    const findings = new Findings();
    if (shape.strangers.length > 0) findings.notice(carried(shape.strangers));
    const customId = this.#customId(shape.customId, findings);
    const unrouted = this.#merge(shape, record.value as JsonObject, findings);
    const own = shape.params;
    const taken = this.#routing?.routeOf({ record: record.value as JsonObject, own, merged: unrouted }) ?? null;
    const merged = taken === null ? unrouted : routedParams(unrouted, own, taken);
    const betas = mergedBetas(this.#betas, shape.betas, findings, merged['betas']);
    const params = normalizeParams(
      Object.hasOwn(merged, 'betas') ? withoutBetas(merged) : merged,
      { dropUnsupported: this.#defaults.dropUnsupported === true },
      findings,
    );
    this.#checker.check(params, betas, findings);
    // Only while nothing was put into them or changed do they say what the record said.
    const format = this.#format && !Object.hasOwn(params, 'output_config') ? this.#format : undefined;
    const plain = record.plain === true && params === shape.params && format?.plainTail !== false;
    // A mark has no character that JSON escapes, and the texts beside it stay what they were.
    const marked = this.#marker === null ? null : this.#marked(this.#marker, params, format);
    const paramsJson = marked ? stringifyParams(marked, plain) : textOf(params, format, plain);
    checkText(paramsJson, plain, findings);
    const { columns } = shape;
    if (findings.problems.length > 0) {
      const sent = format ? { ...params, output_config: format.outputConfig } : params;
      return { ok: false, problems: findings.problems, customId, params: sent, columns };
    }
    const model = params['model'] as string;
    const maxTokens = params['max_tokens'] as number;
    const priority = routedPriority(taken, this.#priority(shape.priority, findings));
    const lane = routedLane(taken);
    const route = taken?.name ?? null;
    const caches = marked !== null || (mayCache(params) && paramsJson.includes('"cache_control"'));
    const addedTokens = addedTokensMost(params, format !== undefined);
    const media = mediaOf(params);
    if (media !== null && media.unbounded > 0) findings.notice(UNBOUNDED);
    return {
      ok: true,
      row: {
        ...{
          customId,
          paramsJson,
          plain,
          model,
          maxTokens,
          betas,
          priority,
          caches,
          addedTokens,
          media: media && { bytes: media.bytes, tokens: media.tokens },
          lane,
          route,
          columns,
        },
      },
      notices: findings.notices,
    };
  }

  /** The params with their mark for the cache, as a whole; null where the row begins like none. */
  #marked(marker: CacheMarker, params: JsonObject, format: FormatDefault | undefined): JsonObject | null {
    const whole = format ? { ...params, output_config: format.outputConfig } : params;
    const marked = marker.mark(whole);
    return marked === whole ? null : marked;
  }

  /** As far as the row can be made out, for the report. */
  #refused(problem: RowProblem, value?: unknown): RowReading {
    const columns = isObject(value) ? value : undefined;
    const name = this.#defaults.idColumn ?? ID_COLUMN;
    const id = columns !== undefined && Object.hasOwn(columns, name) ? columns[name] : undefined;
    const customId = typeof id === 'string' ? id.slice(0, CUSTOM_ID_CHARS_MAX) : undefined;
    return { ok: false, problems: [problem], customId, params: undefined, columns };
  }

  #customId(value: unknown, findings: Findings): string | undefined {
    const { idColumn } = this.#defaults;
    if (value === undefined || value === null) {
      if (idColumn !== undefined)
        findings.problem('custom_id', `the row has no ${shown(idColumn)}, which --id-column names`);
      return undefined;
    }
    const name = idColumn ?? ID_COLUMN;
    const id = typeof value === 'number' ? String(value) : value;
    if (typeof id !== 'string')
      findings.problem('custom_id', `${name} must be text or a number, and is ${kindOf(value)}`);
    else if (id === '') findings.problem('custom_id', `${name} is empty`);
    else if (id.length > CUSTOM_ID_CHARS_MAX) {
      findings.problem('custom_id', `${name} has ${id.length} characters; the most is ${CUSTOM_ID_CHARS_MAX}`);
    } else if (LONE_SURROGATE.test(id)) findings.problem('utf8', `${name} has half a character (a lone surrogate)`);
    else return id;
    return undefined;
  }

  #priority(value: unknown, findings: Findings): Priority | null {
    if (value === undefined || value === null || value === '') return null;
    const priority = toPriority(value);
    if (priority === null) findings.notice(OTHER_PRIORITY);
    return priority;
  }

  /** The defaults under the row's own params, and a message made from --prompt where the row has none. */
  #merge(shape: Shape, record: JsonObject, findings: Findings): JsonObject {
    const own = shape.params;
    const { prompt, system } = this.#defaults;
    const needsMessages = prompt !== undefined && (own === undefined || !Object.hasOwn(own, 'messages'));
    const needsSystem = typeof system === 'object' && (own === undefined || !Object.hasOwn(own, 'system'));
    if (prompt !== undefined && !needsMessages) findings.notice(PROMPT_UNUSED);
    if (needsMessages && own === undefined && this.#isSame) findings.notice(SAME_REQUEST);
    if (this.#defaults.cuts === true && !needsMessages && !needsSystem) findings.notice(CUT_NOTHING);
    const hasConfig = this.#format !== undefined && own !== undefined && Object.hasOwn(own, 'output_config');
    if (own !== undefined && !this.#hasBase && !needsMessages && !needsSystem && !hasConfig) return own;
    const params: Record<string, unknown> = { ...this.#base, ...own };
    if (this.#format && hasConfig) params['output_config'] = withFormat(this.#format, own['output_config'], findings);
    if (needsSystem) params['system'] = rendered(system, { record, flag: '--system' }, findings);
    if (needsMessages) {
      const content = rendered(prompt, { record, flag: '--prompt' }, findings);
      params['messages'] = [{ role: 'user', content }];
    }
    return params;
  }
}

/** What the output_config of --schema comes to is text already. */
function textOf(params: JsonObject, format: FormatDefault | undefined, plain: boolean): string {
  const text = stringifyParams(params, plain);
  return format ? closedWith(format, text) : text;
}

/** A marker for the cache stands on a block, a tool or the params themselves: texts alone have none. */
function mayCache({ system, tools, cache_control: cacheControl, messages }: JsonObject): boolean {
  if (typeof system === 'object' || tools !== undefined || cacheControl !== undefined) return true;
  if (!Array.isArray(messages)) return false;
  for (const message of messages) if (isObject(message) && typeof message['content'] !== 'string') return true;
  return false;
}

const UNBOUNDED: RowNotice = {
  code: 'unbounded_documents',
  message:
    'a row names documents by URL or file id: their pages cannot be known before they are sent, and the most that the run may cost reckons with one page for each (and with what the preflight counts)',
};

/** Where it cannot be rendered, a stand-in keeps the other checks from finding the same thing again. */
const UNRENDERED = '(not rendered)';

function rendered(template: Template, of: { record: JsonObject; flag: string }, findings: Findings): string {
  const rendering = template.render(of.record);
  if (!rendering.ok) {
    findings.problem('missing_column', `${of.flag} names {{${rendering.missing}}}, and the row has no such value`);
    return UNRENDERED;
  }
  if (rendering.cut) for (const { notice } of rendering.cut) findings.notice(notice);
  if (!isBlank(rendering.text)) return rendering.text;
  findings.problem('empty_prompt', `${of.flag} comes to nothing but white space for this row`);
  return UNRENDERED;
}

function carried(names: readonly string[]): RowNotice {
  const list = names.slice(0, 5).map(shown).join(', ') + (names.length > 5 ? ', …' : '');
  return {
    code: 'carried_keys',
    message: `beside the params a row has ${list}: carried to the output, not sent (to send it, put the params under "params")`,
  };
}
