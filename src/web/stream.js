// @ts-check
/**
 * Server-sent events over fetch, which can carry the token in a header. It comes back by itself when it is cut off, says
 * where it was, and tells how the connection stands.
 */
import { tokenHeader } from './api.js';

/** The server says something at least this often. */
const QUIET_MS_MAX = 40_000;
const WAIT_MS = [500, 1_000, 2_000, 4_000, 8_000];
/** How long a look of a tab in the background takes, and how long it rests between two. */
const GLANCE_MS = 2_000;
const REST_MS = 30_000;

/**
 * `rests`: in the background it only looks now and then. A browser keeps six connections to one server at most: six open
 * tabs would leave none for the seventh, nor for a click. `onRested`: it is in front again, and may have missed what has
 * no number to go on from.
 *
 * @param {string} path
 * @param {{ rests?: boolean, onRested?: () => void, onMessage: (event: string, value: any) => void, onState: (state: 'live' | 'lost' | 'refused') => void }} handlers
 * @returns {() => void} Ends it.
 */
export function listen(path, { rests = false, onRested, onMessage, onState }) {
  const over = new AbortController();
  let lastId = '';
  let failures = 0;
  let hasRested = false;
  /** Ends what is going on where the tab has come to the front, or gone to the back. */
  let turned = new AbortController();
  const turn = () => {
    if (rests) turned.abort();
  };
  document.addEventListener('visibilitychange', turn);
  over.signal.addEventListener('abort', () => document.removeEventListener('visibilitychange', turn));

  const once = async () => {
    const quiet = new AbortController();
    let timer = setTimeout(() => quiet.abort(), QUIET_MS_MAX);
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let glance;
    const headers = { ...tokenHeader(), ...(lastId === '' ? {} : { 'last-event-id': lastId }) };
    const signal = AbortSignal.any([over.signal, quiet.signal, turned.signal]);
    try {
      const answer = await fetch(path, { headers, signal, cache: 'no-store', credentials: 'omit' });
      if (document.hidden) glance = setTimeout(turn, GLANCE_MS);
      if (answer.status === 401) return 'refused';
      if (!answer.ok || !answer.body) return 'lost';
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = '';
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return 'lost';
        clearTimeout(timer);
        timer = setTimeout(() => quiet.abort(), QUIET_MS_MAX);
        if (failures > 0 || rest === '') onState('live');
        failures = 0;
        rest = deliver(rest + value);
        if (hasRested && !document.hidden) {
          hasRested = false;
          onRested?.();
        }
      }
    } catch {
      return turned.signal.aborted ? 'turned' : 'lost';
    } finally {
      clearTimeout(timer);
      clearTimeout(glance);
    }
  };

  /** @param {string} text */
  const deliver = (text) => {
    const blocks = text.split('\n\n');
    const rest = blocks.pop() ?? '';
    for (const block of blocks) {
      let event = 'message';
      let data = '';
      for (const line of block.split('\n')) {
        if (line.startsWith('id: ')) lastId = line.slice(4);
        else if (line.startsWith('event: ')) event = line.slice(7);
        else if (line.startsWith('data: ')) data += line.slice(6);
      }
      if (data !== '') onMessage(event, JSON.parse(data));
    }
    return rest;
  };

  const go = async () => {
    while (!over.signal.aborted) {
      turned = new AbortController();
      const end = await once();
      if (over.signal.aborted) return;
      turned = new AbortController();
      if (end === 'turned') {
        if (!document.hidden) continue;
        hasRested = true;
        await pause(REST_MS, AbortSignal.any([over.signal, turned.signal]));
        continue;
      }
      onState(end);
      if (end === 'refused') return;
      const waitMs = WAIT_MS[Math.min(failures++, WAIT_MS.length - 1)] ?? 0;
      await pause(waitMs, AbortSignal.any([over.signal, turned.signal]));
    }
  };
  void go();
  return () => over.abort();
}

/**
 * @param {number} ms
 * @param {AbortSignal} signal Ends it before its time.
 */
function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve(undefined);
    });
  });
}
