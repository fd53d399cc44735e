/**
 * Recognises what an input record is: a request as the API takes it, bare params, a request as other tools write
 * it, or plain data that a template makes a message of. It only takes apart; the params are checked elsewhere.
 *
 * What is not part of the request is kept as columns and carried to the output, so that nothing of a row is lost.
 */
import type { RowProblem } from '../source.ts';
import { BETA_PARAM_NAMES, FOREIGN_PARAMS, PARAM_NAMES } from './param-names.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

export interface Shape {
  /** The row's own params; undefined for plain data. */
  readonly params: JsonObject | undefined;
  /** The id as it stands in the row, not checked yet; undefined where it has none. */
  readonly customId: unknown;
  /** The row's own betas, not checked yet. */
  readonly betas: unknown;
  readonly columns: JsonObject | undefined;
  /** The row's own priority, as it stands there; it is carried like any other column. */
  readonly priority: unknown;
  /** Keys beside bare params that the API does not know: they are carried, not sent. */
  readonly strangers: readonly string[];
}

export interface ShapeOptions {
  /** The column with the custom id, where the user named one. */
  readonly idColumn?: string;
  /** Is there a --prompt, so that plain data can become a message? */
  readonly hasPrompt: boolean;
}

export type Recognised =
  { readonly ok: true; readonly shape: Shape } | { readonly ok: false; readonly problem: RowProblem };

/** The one path that a batch request stands for. */
const MESSAGES_PATH = '/v1/messages';

/** Where the user's id stands unless --id-column says otherwise. */
export const ID_COLUMN = 'custom_id';
/** A column or field with one of the four words says how soon the row shall go. */
export const PRIORITY_COLUMN = 'priority';
const NO_STRANGERS: readonly string[] = [];
const WITH_PARAMS: ReadonlySet<string> = new Set(['params', 'betas', 'error']);
const WITH_BODY: ReadonlySet<string> = new Set(['method', 'url', 'body', 'betas', 'error']);
const NOTHING: ReadonlySet<string> = new Set();

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function recognise(value: unknown, options: ShapeOptions): Recognised {
  if (!isObject(value)) {
    return refused('not_object', `a row must be a JSON object, and this one is ${kindOf(value)}`);
  }
  if (isRequest(value)) return request(value, options);
  if (isForeignRequest(value)) return foreignRequest(value, options);
  if (isBareParams(value, options.hasPrompt)) return bareParams(value, options);
  if (!options.hasPrompt) return refused('no_prompt', 'the row has no messages, and no --prompt says how to make them');
  const id = options.idColumn ?? ID_COLUMN;
  const columns = without(value, NOTHING, id);
  return found({
    params: undefined,
    customId: ownValue(value, id),
    betas: undefined,
    columns,
    priority: ownValue(value, PRIORITY_COLUMN),
    strangers: NO_STRANGERS,
  });
}

/** `params: null` stands in an --errors file for a request that could not be made. */
function isRequest(value: JsonObject): boolean {
  const params = ownValue(value, 'params');
  return isObject(params) || (params === null && Object.hasOwn(value, 'error'));
}

function isForeignRequest(value: JsonObject): boolean {
  return isObject(ownValue(value, 'body')) && (Object.hasOwn(value, 'url') || Object.hasOwn(value, 'method'));
}

/** With a template, a cell or key `messages` that holds no list is data like any other. */
function isBareParams(value: JsonObject, hasPrompt: boolean): boolean {
  const messages = ownValue(value, 'messages');
  return Array.isArray(messages) || (!hasPrompt && messages !== undefined);
}

function request(value: JsonObject, options: ShapeOptions): Recognised {
  if (ownValue(value, 'params') === null)
    return refused('no_params', 'the row has no params: its request could not be made');
  const id = options.idColumn ?? ID_COLUMN;
  return found({
    params: ownValue(value, 'params') as JsonObject,
    customId: ownValue(value, id),
    betas: ownValue(value, 'betas'),
    columns: extras(value, WITH_PARAMS, id),
    priority: ownValue(value, PRIORITY_COLUMN),
    strangers: NO_STRANGERS,
  });
}

function foreignRequest(value: JsonObject, options: ShapeOptions): Recognised {
  const url = ownValue(value, 'url');
  if (url !== undefined && url !== MESSAGES_PATH) {
    return refused('url', `the url is ${shown(url)}; batches take ${MESSAGES_PATH} only`);
  }
  const method = ownValue(value, 'method');
  if (method !== undefined && method !== 'POST') {
    return refused('method', `the method is ${shown(method)}; batches take POST only`);
  }
  const id = options.idColumn ?? ID_COLUMN;
  return found({
    params: ownValue(value, 'body') as JsonObject,
    customId: ownValue(value, id),
    betas: ownValue(value, 'betas'),
    columns: extras(value, WITH_BODY, id),
    priority: ownValue(value, PRIORITY_COLUMN),
    strangers: NO_STRANGERS,
  });
}

/** Params and columns lie side by side here: the names that the API knows (or must refuse) are params. */
function bareParams(value: JsonObject, options: ShapeOptions): Recognised {
  const id = options.idColumn ?? ID_COLUMN;
  const params: Record<string, unknown> = {};
  const columns: Record<string, unknown> = {};
  const strangers: string[] = [];
  let carries = false;
  for (const key of Object.keys(value)) {
    if (key === id || key === 'betas' || key === 'error') continue;
    if (isParam(key, Object.hasOwn(value, 'betas'))) {
      params[key] = value[key];
    } else {
      define(columns, key, value[key]);
      if (key !== PRIORITY_COLUMN) strangers.push(key);
      carries = true;
    }
  }
  return found({
    params,
    customId: ownValue(value, id),
    betas: ownValue(value, 'betas'),
    columns: carries ? columns : undefined,
    priority: ownValue(value, PRIORITY_COLUMN),
    strangers: strangers.length === 0 ? NO_STRANGERS : strangers,
  });
}

/** `prompt` is a column of many chat data sets; the other names of foreign APIs are refused by check-params.ts. */
function isParam(key: string, hasBetas: boolean): boolean {
  if (PARAM_NAMES.has(key) || (hasBetas && BETA_PARAM_NAMES.has(key))) return true;
  return FOREIGN_PARAMS.has(key) && key !== 'prompt';
}

/** Keys beside those of the request, or undefined where there are none. The common row has none: look, then copy. */
function extras(value: JsonObject, taken: ReadonlySet<string>, id: string): JsonObject | undefined {
  for (const key in value) {
    if (key !== id && !taken.has(key)) return without(value, taken, id);
  }
  return undefined;
}

function without(value: JsonObject, taken: ReadonlySet<string>, id: string): JsonObject | undefined {
  const columns: Record<string, unknown> = {};
  let some = false;
  for (const key of Object.keys(value)) {
    if (key === id || taken.has(key)) continue;
    define(columns, key, value[key]);
    some = true;
  }
  return some ? columns : undefined;
}

/** Assignment, but for the one name that JavaScript would take for something else. */
function define(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key !== '__proto__') target[key] = value;
  else Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
}

function ownValue(value: JsonObject, key: string): unknown {
  return Object.hasOwn(value, key) ? value[key] : undefined;
}

function found(shape: Shape): Recognised {
  return { ok: true, shape };
}

function refused(code: string, message: string): Recognised {
  return { ok: false, problem: { code, message } };
}

/** A value in a message: what names a thing may be shown, cut to a few characters. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return value.length > 40 ? `"${value.slice(0, 40)}…"` : `"${value}"`;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return kindOf(value);
}

/** `a list`, `an object`, `text`: what a value is, without saying what is in it. */
export function kindOf(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return 'text';
  if (typeof value === 'boolean') return 'true or false';
  return typeof value === 'number' ? 'a number' : 'an object';
}
