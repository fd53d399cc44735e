/**
 * `batchrun doctor`: is everything here that a run needs? Each check says what it found and what to do; the key is shown
 * masked. Nothing that costs money is called.
 */
import { existsSync, statSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../base/clock.ts';
import { ERROR_CATALOGUE } from '../base/error-catalogue.ts';
import { BatchrunError, isBatchrunError, messageOf } from '../base/errors.ts';
import { maskKey } from '../base/log.ts';
import { formatDuration, plural } from '../base/units.ts';
import { modelFacts } from '../domain/models.ts';
import { findCredentials, hasState, openStore, probeSqlite, type ApiLink, type Context } from './context.ts';
import { credentialText, describeKey } from './drive/key-pool.ts';
import { EXIT } from './drive/outcome.ts';
import { createPaint, jsonText } from './terminal/ui.ts';

interface Check {
  readonly name: string;
  readonly ok: boolean | 'warn';
  readonly found: string;
  readonly hint?: string;
}

/** Node below this lacks crypto.hash and AbortSignal.any, which batchrun and its packages use. */
const NODE_MAJOR_MIN = 20;
/** Beyond this the age of batches and the end of their results are told wrong. */
const CLOCK_SKEW_MS_MAX = 60_000;

export async function runDoctor(context: Context): Promise<number> {
  const checks: Check[] = [
    checkNode(),
    await checkSqlite(),
    await checkState(context),
    ...(await checkLedger(context)),
  ];
  const { link, check } = await checkCredentials(context);
  checks.push(check);
  for (const one of link?.pool ?? []) checks.push(await checkKey(context, one));
  if (link) {
    checks.push(await checkApi(context, link));
    const model = context.flags.model;
    if (model !== undefined) checks.push(await checkModel(context, link, model));
  }
  await tell(context, checks);
  return checks.some((one) => one.ok === false) ? EXIT.usage : EXIT.ok;
}

function checkNode(): Check {
  const major = Number(process.versions.node.split('.')[0]);
  const found = `${process.version} on ${process.platform} ${process.arch}`;
  return major >= NODE_MAJOR_MIN
    ? { name: 'node', ok: true, found }
    : { name: 'node', ok: false, found, hint: `Install Node ${NODE_MAJOR_MIN} or newer.` };
}

async function checkSqlite(): Promise<Check> {
  try {
    await probeSqlite();
    return { name: 'better-sqlite3', ok: true, found: 'loads, and a database can be made' };
  } catch (error) {
    const { hint } = ERROR_CATALOGUE.E_NATIVE_MODULE;
    return { name: 'better-sqlite3', ok: false, found: messageOf(error).split('\n')[0] ?? '', hint };
  }
}

async function checkState({ stateFolder }: Context): Promise<Check> {
  const name = 'state folder';
  if (!existsSync(stateFolder))
    return { name, ok: true, found: `${stateFolder} (not there yet: the first submit makes it)` };
  try {
    const probe = join(stateFolder, `.doctor-${process.pid}`);
    await writeFile(probe, '');
    await rm(probe);
    const mode = statSync(stateFolder).mode & 0o777;
    if ((mode & 0o077) !== 0) {
      const found = `${stateFolder} can be read by others (mode ${mode.toString(8)})`;
      return { name, ok: 'warn', found, hint: `Prompts and answers are in it: chmod 700 ${stateFolder}` };
    }
    return { name, ok: true, found: `${stateFolder} can be written` };
  } catch (error) {
    const hint = isBatchrunError(error) ? error.hint : 'Check its permissions, or choose another with --state.';
    return { name, ok: false, found: `${stateFolder}: ${messageOf(error)}`, hint };
  }
}

/** Every page and index of state.db, and whether it still knows what lies beside it. Nothing where there is no state. */
async function checkLedger({ stateFolder }: Context): Promise<Check[]> {
  const name = 'ledger';
  try {
    if (!hasState(stateFolder)) return [];
    const store = await openStore(stateFolder);
    try {
      const [first, ...more] = await store.check();
      const runs = await store.runs();
      if (first === undefined) return [{ name, ok: true, found: `whole, with ${plural(runs.length, 'run')}` }];
      const rest = more.length === 0 ? '' : ` (and ${more.length} more)`;
      const found = `damaged: ${first.replaceAll('\n', ' ')}${rest}`;
      return [{ name, ok: false, found, hint: new BatchrunError('E_STATE_CORRUPT', found).hint }];
    } finally {
      await store.close();
    }
  } catch (error) {
    const hint = isBatchrunError(error) ? error.hint : 'Check the permissions of the state folder.';
    return [{ name, ok: false, found: messageOf(error), hint }];
  }
}

async function checkCredentials(context: Context): Promise<{ link: ApiLink | null; check: Check }> {
  try {
    const link = await findCredentials(context);
    const found = link.pool
      ? `${credentialText(link)} for ${link.baseUrl}`
      : `key ${maskKey(link.credential)} for ${link.baseUrl}, workspace ${link.api.workspace}`;
    return { link, check: { name: 'credentials', ok: true, found } };
  } catch (error) {
    const hint = isBatchrunError(error) ? error.hint : 'Set ANTHROPIC_API_KEY.';
    return { link: null, check: { name: 'credentials', ok: false, found: messageOf(error), hint } };
  }
}

/** Each key of a pool: which organization and workspace does it open? */
async function checkKey({ signal }: Context, link: ApiLink): Promise<Check> {
  const name = `key ${maskKey(link.credential)}`;
  const { ok, found } = await describeKey(link, signal);
  return ok
    ? { name, ok, found }
    : {
        name,
        ok,
        found,
        hint: 'Mend it in the Console, or take it out of the pool. Batches that it made need a key of its workspace.',
      };
}

/** One cheap call: does the API answer, does it take the key, and what time is it there? */
async function checkApi({ signal }: Context, { api, baseUrl }: ApiLink): Promise<Check> {
  const name = 'api';
  try {
    const before = systemClock.now();
    const server = await api.serverTimeMs(signal);
    await api.listBatches({ afterId: null, limit: 1, signal });
    const skewMs = server === null ? 0 : Math.abs(server - (before + systemClock.now()) / 2);
    if (skewMs > CLOCK_SKEW_MS_MAX) {
      const found = `${baseUrl} answers, but this clock is off by ${formatDuration(skewMs)}`;
      return { name, ok: 'warn', found, hint: 'Set the clock of this machine (NTP).' };
    }
    return { name, ok: true, found: `${baseUrl} answers and takes the key; the clocks agree` };
  } catch (error) {
    return {
      name,
      ok: false,
      found: `${baseUrl}: ${messageOf(error)}`,
      hint: 'Check the network, the base URL and the key.',
    };
  }
}

async function checkModel({ signal }: Context, { api }: ApiLink, model: string): Promise<Check> {
  const name = `model ${model}`;
  const facts = modelFacts(model, systemClock.now());
  try {
    const info = await api.retrieveModel(model, signal);
    if (!info) {
      const successor = facts.successor === undefined ? '' : ` Its successor is ${facts.successor}.`;
      return { name, ok: false, found: 'the API does not know it', hint: `Choose another model.${successor}` };
    }
    if (info.batchSupported === false)
      return { name, ok: false, found: 'it does not support batches', hint: 'Choose another model.' };
    if (facts.status === 'ending' || info.retiresAtMs !== null) {
      const when = info.retiresAtMs === null ? facts.retires : new Date(info.retiresAtMs).toISOString().slice(0, 10);
      return {
        name,
        ok: 'warn',
        found: `it supports batches; it ends on ${when ?? 'an unknown day'}`,
        hint: 'Plan the move to its successor.',
      };
    }
    return { name, ok: true, found: `it exists${info.batchSupported === true ? ' and supports batches' : ''}` };
  } catch (error) {
    return { name, ok: false, found: messageOf(error), hint: 'Run doctor again when the API answers.' };
  }
}

async function tell({ flags, terminal }: Context, checks: readonly Check[]): Promise<void> {
  if (flags.json === true) {
    const ok = checks.every((check) => check.ok !== false);
    await terminal.data(jsonText({ ok, checks }));
    return;
  }
  const paint = createPaint(terminal.dataColor);
  for (const { name, ok, found, hint } of checks) {
    const sign = ok === true ? paint.green('ok  ') : ok === 'warn' ? paint.yellow('warn') : paint.red('FAIL');
    await terminal.text(`${sign}  ${name}: ${found}\n${hint === undefined ? '' : `      ${hint}\n`}`);
  }
}
