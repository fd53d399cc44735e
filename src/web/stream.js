// @ts-check
/**
 * Server-sent events over fetch, which can carry the token in a header. It comes back by itself when it is cut off, says
 * where it was, and tells how the connection stands.
 */
import { tokenHeader } from './api.js';

/** The server says something at least this often. */
const QUIET_MS_MAX = 40_000;
const WAIT_MS = [500, 1_000, 2_000, 4_000, 8_000];

/**
 * @param {string} path
 * @param {{ onMessage: (event: string, value: any) => void, onState: (state: 'live' | 'lost' | 'refused') => void }} handlers
 * @returns {() => void} Ends it.
 */
export function listen(path, { onMessage, onState }) {
  const over = new AbortController();
  let lastId = '';
  let failures = 0;

  const once = async () => {
    const quiet = new AbortController();
    let timer = setTimeout(() => quiet.abort(), QUIET_MS_MAX);
    const headers = { ...tokenHeader(), ...(lastId === '' ? {} : { 'last-event-id': lastId }) };
    const signal = AbortSignal.any([over.signal, quiet.signal]);
    try {
      const answer = await fetch(path, { headers, signal, cache: 'no-store', credentials: 'omit' });
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
      }
    } catch {
      return 'lost';
    } finally {
      clearTimeout(timer);
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
      const end = await once();
      if (over.signal.aborted) return;
      onState(end);
      if (end === 'refused') return;
      const waitMs = WAIT_MS[Math.min(failures++, WAIT_MS.length - 1)];
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  };
  void go();
  return () => over.abort();
}
