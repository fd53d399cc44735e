// @ts-check
/**
 * Numbers, money and times as people read them: times in the reader's zone, with the exact UTC at hand.
 */
import { h } from './dom.js';

const counts = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** @param {number} value */
export function count(value) {
  return counts.format(value);
}

/**
 * @param {number} value
 * @param {string} one
 * @param {string} [many]
 */
export function plural(value, one, many = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** `1.2 M`: where there is little room. @param {number} value */
export function short(value) {
  const size = Math.abs(value);
  for (const [unit, word] of /** @type {[number, string][]} */ ([
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ])) {
    if (size >= unit) return `${Number((value / unit).toPrecision(3))} ${word}`;
  }
  return String(Number(value.toPrecision(3)));
}

/** @param {number | null | undefined} usd */
export function money(usd) {
  if (usd === null || usd === undefined) return 'unknown';
  if (usd === 0) return '$0';
  if (usd < 0.01) return `$${Number(usd.toPrecision(2)).toFixed(Math.min(8, 1 - Math.floor(Math.log10(usd))))}`;
  return usd < 1_000 ? `$${usd.toFixed(2)}` : `$${count(usd)}`;
}

/** @param {number} share */
export function percent(share) {
  const value = share * 100;
  // What is not quite done is not done, and what has begun is not nothing.
  if (value > 99.9 && value < 100) return '99.9 %';
  return value > 0 && value < 10 ? `${value.toFixed(1)} %` : `${Math.floor(value)} %`;
}

/** @param {number} ms */
export function duration(ms) {
  const seconds = Math.round(ms / 1_000);
  if (seconds < 1) return `${Math.max(0, Math.round(ms))} ms`;
  if (seconds < 60) return `${seconds} s`;
  for (const [big, word, small, smallWord] of /** @type {[number, string, number, string][]} */ ([
    [86_400, 'd', 3_600, 'h'],
    [3_600, 'h', 60, 'm'],
    [60, 'm', 1, 's'],
  ])) {
    if (seconds < big) continue;
    const rest = Math.floor((seconds % big) / small);
    return `${Math.floor(seconds / big)} ${word}${rest > 0 ? ` ${rest} ${smallWord}` : ''}`;
  }
  return `${seconds} s`;
}

/** @param {number} bytes */
export function size(bytes) {
  return bytes < 1_000 ? `${bytes} B` : `${short(bytes)}B`;
}

const clock = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});
const day = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' });

/** The hour where it is of today, else the day too. @param {number} ms */
export function clockText(ms) {
  const isToday = new Date(ms).toDateString() === new Date().toDateString();
  return isToday ? clock.format(ms) : day.format(ms);
}

/** @param {string} iso */
export function time(iso) {
  return h('time', { datetime: iso, title: `${iso} (UTC)`, text: clockText(Date.parse(iso)) });
}

/** `in 5 m`, `3 h ago`. @param {number} ms */
export function fromNow(ms) {
  const distance = ms - Date.now();
  return distance >= 0 ? `in ${duration(distance)}` : `${duration(-distance)} ago`;
}

/** @type {Record<string, string>} */
const STATE_WORDS = {
  ready: 'ready',
  active: 'running',
  canceling: 'canceling',
  done: 'done',
  in_batch: 'in batches',
  in_realtime: 'being called',
  retry: 'waiting for a retry',
  waiting: 'waiting',
  sealed: 'waiting',
  submitting: 'being sent',
  uncertain: 'in doubt',
  submitted: 'at the API',
  ended: 'to be fetched',
  collected: 'collected',
  split: 'cut into others',
};

/** @param {string} state */
export function stateWord(state) {
  return STATE_WORDS[state] ?? state.replaceAll('_', ' ');
}

/** What a run is for people: blocked and half done are states too. @param {any} run */
export function runState(run) {
  if (run.blocked.length > 0) return { word: 'blocked', tone: 'warn' };
  if (run.state !== 'done') return { word: stateWord(run.state), tone: run.state === 'canceling' ? 'warn' : 'busy' };
  if (run.canceled) return { word: 'canceled', tone: 'warn' };
  const whole = run.rows.succeeded === run.rows.total;
  return whole ? { word: 'done', tone: 'good' } : { word: 'done, not every row succeeded', tone: 'warn' };
}

/** @param {any} run */
export function nameOf(run) {
  return run.name ?? run.id;
}

/** Rows that have come to their end. @param {any} run */
export function finished(run) {
  const { succeeded, failed, expired, canceled, invalid } = run.rows;
  return succeeded + failed + expired + canceled + invalid;
}

/** @param {any} run */
export function notSucceeded(run) {
  const { failed, expired, canceled, invalid } = run.rows;
  return failed + expired + canceled + invalid;
}
