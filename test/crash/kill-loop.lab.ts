/**
 * What the kill loop is made of: tracks. A track is one state folder with one cron-like job at a time, behind a proxy of
 * its own. Its processes live short lives: each is ended at an instant that a seed has drawn, and the next one goes on.
 *
 * A seed replays what is drawn (commands, signals, instants); which instruction of a process an instant hits is the
 * machine's affair, and the reason for doing it a hundred times.
 */
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  watch,
  writeFileSync,
  type FSWatcher,
} from 'node:fs';
import { join } from 'node:path';
import { openSqliteStore } from '../../src/adapters/sqlite/store.ts';
import { systemClock } from '../../src/base/clock.ts';
import { chance, integerBetween, pick, seededRng, type Rng } from '../../src/base/random.ts';
import { answerOf, asked, echo, KEY, parseLines, requests, start, type Ended, type Running } from '../support/cli.ts';
import type { Exchange, TcpProxy } from '../support/tcp-proxy.ts';
import type { HardEnd } from './payments.ts';

export const ROWS = 24;
export const CONCURRENCY = 3;
const GRACE = '400ms';
/** A process of which nothing is heard for so long waits for something (a fault that hangs, a pause): it is killed there. */
const PATIENCE_MS = 2_500;
/** One that may finish gets longer. */
const FINISH_PATIENCE_MS = 8_000;
/** How many of those are killed while they write the output. */
const OUTPUT_KILLS = 2;
/** How often it may be begun. */
const FINISH_LIVES_MAX = 15;

/** When a process is to be ended: the nth of something since it was started, and then so many milliseconds. */
interface Instant {
  readonly what:
    'time' | 'request' | 'call' | 'bytes up' | 'bytes down' | 'bytes of talk' | 'ledger write' | 'output write';
  readonly nth: number;
  readonly thenMs: number;
}

type Ending = 'SIGKILL' | 'SIGTERM' | 'two SIGINT';

interface Life {
  readonly command: 'run' | 'submit' | 'collect' | 'collect --once' | 'run --as-completed';
  readonly ending: Ending;
  readonly instant: Instant;
  /** The simulator does not hear that its client has died. */
  readonly hidden: boolean;
  /** A second `submit` of the same input at the same time. */
  readonly companion: boolean;
}

const COMMANDS: readonly Life['command'][] = [
  ...(['run', 'run', 'run', 'run', 'run', 'run'] as const),
  ...(['submit', 'collect', 'collect', 'collect --once', 'run --as-completed'] as const),
];
const ENDINGS: readonly Ending[] = [...Array.from({ length: 10 }, () => 'SIGKILL' as const), 'SIGTERM', 'two SIGINT'];

/** About as much as a process without trouble comes to, so that every part of its life is hit. */
const LIFE = {
  time: 900,
  request: 16,
  call: 6,
  'bytes up': 12_000,
  'bytes down': 18_000,
  'bytes of talk': 1_600,
  'ledger write': 60,
  'output write': 3,
} as const;
const INSTANTS = [
  ...(['time', 'request', 'request', 'bytes up', 'bytes down', 'bytes of talk'] as const),
  ...(['ledger write', 'ledger write', 'call', 'call'] as const),
];

export function drawLife(rng: Rng): Life {
  const what = pick(rng, INSTANTS);
  return {
    command: pick(rng, COMMANDS),
    ending: pick(rng, ENDINGS),
    instant: { what, nth: integerBetween(rng, 1, LIFE[what]), thenMs: integerBetween(rng, 0, 8) },
    hidden: chance(rng, 0.5),
    companion: chance(rng, 0.08),
  };
}

function drawOutputInstant(rng: Rng): Instant {
  return { what: 'output write', nth: integerBetween(rng, 1, LIFE['output write']), thenMs: integerBetween(rng, 0, 3) };
}

/** Not before it is done, if it can be done. */
const FINISHED: Instant = { what: 'time', nth: FINISH_PATIENCE_MS, thenMs: 0 };

function isCall({ line }: Exchange): boolean {
  return line.startsWith('POST /v1/messages ');
}

export interface TrackParts {
  readonly folder: string;
  readonly proxy: TcpProxy;
  readonly seed: string;
  /** Of every submit and run. */
  readonly flags: readonly string[];
}

/** What became of the lives of all tracks. */
export class Tally {
  kills = 0;
  lives = 0;
  runs = 0;
  /** How many kills found what in the ledger. */
  readonly found = new Map<string, number>();
  readonly troubles: string[] = [];

  note(state: string): void {
    this.found.set(state, (this.found.get(state) ?? 0) + 1);
  }
}

export class Track {
  readonly hardEnds: HardEnd[] = [];
  readonly #parts: TrackParts;
  readonly #tally: Tally;
  #input = 0;
  /** Of this input; each life is drawn for itself, so that one which took another course does not change the next. */
  #life = 0;
  /** The talk of the last process. */
  #said = '';

  constructor(parts: TrackParts, tally: Tally) {
    this.#parts = parts;
    this.#tally = tally;
  }

  /** The texts of this input's rows begin with this; no other track has them. */
  get prefix(): string {
    return `${this.#parts.seed} input ${this.#input}`;
  }

  get #name(): string {
    return `in-${this.#input}.jsonl`;
  }

  get #output(): string {
    return join(this.#parts.folder, `in-${this.#input}.results.jsonl`);
  }

  /** The texts of all rows of all inputs so far. */
  get texts(): string[] {
    return Array.from({ length: this.#input }, (_, at) => asked(ROWS, `${this.#parts.seed} input ${at + 1}`)).flatMap(
      (rows) => rows.map(([, text]) => text),
    );
  }

  /** A new input, killed `kills` times (or less, where it comes to its end before). */
  async suffer(kills: number, isEnough: () => boolean): Promise<void> {
    this.#input++;
    this.#life = 0;
    writeFileSync(join(this.#parts.folder, this.#name), requests(ROWS, this.prefix));
    for (let left = kills; left > 0 && !isEnough();) {
      const outcome = await this.#live(drawLife(this.#nextRng()));
      if (outcome === 'finished') return;
      if (outcome === 'killed') left--;
    }
  }

  /** The same cron job until it is done, and then the proof. */
  async finish(): Promise<void> {
    const common = { command: 'run', ending: 'SIGKILL', hidden: false, companion: false } as const;
    for (let lives = 1; ; lives++) {
      // The output is written in a moment that hardly any instant hits: it is aimed at.
      const instant = lives <= OUTPUT_KILLS ? drawOutputInstant(this.#nextRng()) : FINISHED;
      if ((await this.#live({ ...common, instant })) === 'finished') break;
      if (lives < FINISH_LIVES_MAX) continue;
      this.#trouble(`it does not come to its end; the last process said:\n${this.#said}`);
      return;
    }
    this.#tally.runs++;
    if (!existsSync(this.#output)) return;
    const lines = parseLines(readFileSync(this.#output, 'utf8')).map(answerOf);
    const expected = asked(ROWS, this.prefix).map(([id, text]): [string, string] => [id, echo(text)]);
    if (JSON.stringify(lines) !== JSON.stringify(expected)) {
      const wrong = expected.findIndex((line, at) => JSON.stringify(line) !== JSON.stringify(lines[at]));
      this.#trouble(`${lines.length} lines for ${ROWS} rows; line ${wrong + 1} is ${JSON.stringify(lines[wrong])}`);
    }
    const before = this.#parts.proxy.exchanges.length;
    const again = await this.#spawn(['run', this.#name, ...this.#parts.flags]).ended;
    if (again.code !== 0) this.#trouble(`a run of what is done exits with ${again.code}: ${again.stderr}`);
    if (this.#parts.proxy.exchanges.length !== before) this.#trouble('a run of what is done asks the API');
  }

  #nextRng(): Rng {
    return seededRng(`${this.prefix} life ${++this.#life}`);
  }

  #args({ command }: Pick<Life, 'command'>): string[] {
    const { flags } = this.#parts;
    switch (command) {
      case 'run':
      case 'submit':
        return [command, this.#name, ...flags];
      case 'run --as-completed':
        return ['run', this.#name, ...flags, '--as-completed', '-o', this.#output];
      case 'collect':
      case 'collect --once':
        return [...command.split(' '), '--concurrency', String(CONCURRENCY)];
    }
  }

  #spawn(args: readonly string[]): Running {
    return start(this.#parts.folder, args, {
      ANTHROPIC_API_KEY: KEY,
      ANTHROPIC_BASE_URL: this.#parts.proxy.origin,
      BATCHRUN_POLL_INTERVAL: '50ms',
      BATCHRUN_RECONCILE_GRACE: GRACE,
    });
  }

  /** One process. `finished`: its run is done; `ended`: it ended by itself before its time. */
  async #live(life: Life): Promise<'killed' | 'stopped' | 'ended' | 'finished'> {
    const { proxy } = this.#parts;
    proxy.hidesDeaths = life.hidden;
    const connectionsBefore = proxy.connections.length;
    const args = this.#args(life);
    const running = this.#spawn(args);
    const companion = life.companion ? this.#spawn(['submit', this.#name, ...this.#parts.flags]) : undefined;
    const over = new AbortController();
    void running.ended.then(() => over.abort());
    await this.#instant(life.instant, running, over.signal);
    if (!over.signal.aborted) await this.#end(life.ending, running, over.signal);
    const ended = await running.ended;
    if (companion) await this.#settle(companion);
    this.#tally.lives++;
    this.#said = ended.stderr;
    const isHard = ended.signal !== null || life.ending === 'two SIGINT';
    if (isHard && proxy.connections.length > connectionsBefore) this.#mark(`${life.command} by ${life.ending}`);
    if (ended.signal === 'SIGKILL') {
      this.#tally.kills++;
      for (const state of await this.#look()) this.#tally.note(state);
    } else this.#judge(args.join(' '), ended, [0, 4, ...(companion ? [6] : []), 130, 143]);
    if (ended.code === 0 && args[0] === 'run' && !existsSync(this.#output)) this.#trouble('exit 0 without an output');
    this.#checkOutput();
    if (life.command === 'run --as-completed') this.#checkPrinted(ended.stdout);
    if (ended.signal !== null) return ended.signal === 'SIGKILL' ? 'killed' : 'stopped';
    if (ended.code === 130 || ended.code === 143) return 'stopped';
    return ended.code === 0 && args[0] === 'run' ? 'finished' : 'ended';
  }

  /** The submit beside it calls nobody in the realtime lane; where it hangs it is killed as well. */
  async #settle(companion: Running): Promise<void> {
    const over = new AbortController();
    const ended = companion.ended.finally(() => over.abort());
    await systemClock.sleep(PATIENCE_MS, over.signal);
    if (!over.signal.aborted) companion.kill('SIGKILL');
    const its = await ended;
    if (its.signal === 'SIGKILL') this.#tally.kills++;
    this.#judge('the submit beside it', its, [0, 4, 6]);
  }

  /** Waits for the instant, or for the end of the process. */
  async #instant({ what, nth, thenMs }: Instant, { child }: Running, over: AbortSignal): Promise<void> {
    const { proxy } = this.#parts;
    const before = { requests: proxy.exchanges.length, ...proxy.carried };
    const fresh = (): readonly Exchange[] => proxy.exchanges.slice(before.requests);
    let seen = 0;
    const note = (count: number): void => {
      seen += count;
      proxy.tell();
    };
    const counters: Readonly<Record<Instant['what'], () => number>> = {
      time: () => 0,
      request: () => fresh().length,
      call: () => fresh().filter(isCall).length,
      'bytes up': () => proxy.carried.up - before.up,
      'bytes down': () => proxy.carried.down - before.down,
      'bytes of talk': () => seen,
      'ledger write': () => seen,
      'output write': () => seen,
    };
    if (what === 'bytes of talk') child.stderr.on('data', (text: string) => note(text.length));
    const watcher = this.#watch(what, () => note(1));
    const came = new AbortController();
    const either = AbortSignal.any([over, came.signal]);
    const patienceMs = what === 'time' ? nth : what === 'output write' ? FINISH_PATIENCE_MS : PATIENCE_MS;
    await Promise.race([proxy.until(() => counters[what]() >= nth, either), systemClock.sleep(patienceMs, either)]);
    came.abort();
    watcher?.close();
    await systemClock.sleep(thenMs, over);
  }

  /** Tells of everything that happens to the ledger, or to the output and its temporary file. */
  #watch(what: Instant['what'], note: () => void): FSWatcher | undefined {
    if (what !== 'ledger write' && what !== 'output write') return undefined;
    const state = join(this.#parts.folder, '.batchrun');
    const [folder, names] = what === 'ledger write' ? [state, /^state\.db/] : [this.#parts.folder, /\.results\.jsonl/];
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return watch(folder, (_event, name) => {
      if (name !== null && names.test(name)) note();
    });
  }

  async #end(ending: Ending, running: Running, over: AbortSignal): Promise<void> {
    if (ending !== 'SIGKILL') {
      running.kill(ending === 'SIGTERM' ? 'SIGTERM' : 'SIGINT');
      const patience = AbortSignal.any([over, AbortSignal.timeout(PATIENCE_MS)]);
      if (ending === 'SIGTERM') await systemClock.sleep(PATIENCE_MS, over);
      else {
        while (!running.stderr.includes('once more') && !patience.aborted)
          await once(running.child.stderr, 'data', { signal: patience }).catch(() => undefined);
        running.kill('SIGINT');
        await systemClock.sleep(PATIENCE_MS, over);
      }
    }
    if (!over.aborted) running.kill('SIGKILL');
  }

  /** A process has died in the middle: the calls that are made from the next one on are not its. */
  #mark(ended: string): void {
    const { proxy } = this.#parts;
    const mark: HardEnd = { ended, untilMs: Infinity };
    this.hardEnds.push(mark);
    const before = new Set(proxy.connections);
    let seen = proxy.exchanges.length;
    const isNext = (): boolean => {
      const fresh = proxy.exchanges.slice(seen);
      seen += fresh.length;
      return fresh.some((exchange) => isCall(exchange) && !before.has(exchange.connection));
    };
    void proxy.until(isNext).then(() => (mark.untilMs = systemClock.now()));
  }

  #judge(what: string, ended: Ended, allowed: readonly number[]): void {
    if (ended.code === null ? ended.signal === 'SIGKILL' : allowed.includes(ended.code)) return;
    // Results that were not whole eight times in a row do happen on such a day; the next process tries them again.
    if (ended.code === 5 && ended.stderr.includes('were never whole')) return;
    // Before a process has got so far as to listen, a signal ends it as it ends any other.
    if (ended.signal === 'SIGINT' || ended.signal === 'SIGTERM') return;
    this.#trouble(`${what} exits with ${ended.code ?? ended.signal}:\n${ended.stdout.slice(0, 500)}\n${ended.stderr}`);
  }

  /** The output is not there or whole. */
  #checkOutput(): void {
    if (!existsSync(this.#output)) return;
    const lines = readFileSync(this.#output, 'utf8').split('\n');
    if (lines.length !== ROWS + 1 || lines.at(-1) !== '') this.#trouble(`half an output: ${lines.length - 1} lines`);
  }

  /** What was printed as completed is a beginning of the answers. */
  #checkPrinted(stdout: string): void {
    const own = new Map(asked(ROWS, this.prefix).map(([id, text]) => [id, echo(text)]));
    const seen = new Set<string>();
    for (const [id, answer] of parseLines(stdout.slice(0, stdout.lastIndexOf('\n') + 1)).map(answerOf)) {
      if (own.get(id) !== answer || seen.has(id))
        this.#trouble(`printed ${seen.has(id) ? 'twice' : 'wrong'}: ${id}: ${answer}`);
      seen.add(id);
    }
  }

  #trouble(text: string): void {
    this.#tally.troubles.push(`${this.prefix}: ${text}`);
  }

  /** What the dead process has left in the ledger, read from a copy: the next process must find it as it is. */
  async #look(): Promise<string[]> {
    const state = join(this.#parts.folder, '.batchrun');
    if (!existsSync(join(state, 'state.db'))) return ['no ledger yet'];
    const copy = join(this.#parts.folder, 'copy');
    mkdirSync(copy, { recursive: true });
    for (const name of readdirSync(state))
      if (/^state\.db(-wal)?$/.test(name)) copyFileSync(join(state, name), join(copy, name));
    const store = openSqliteStore(join(copy, 'state.db'));
    try {
      const run = (await store.runs({ ingesting: true })).find(({ inputs }) => inputs[0]?.endsWith(this.#name));
      if (!run) return ['no run yet'];
      if (run.state === 'ingesting' || run.state === 'done') return [run.state];
      const chunks = Object.entries(await store.chunkCounts(run.id)).filter(
        ([name, count]) => count > 0 && name !== 'collected',
      );
      const { retry, in_realtime: realtime } = run.rows;
      const rows = [...(retry > 0 ? ['rows to retry'] : []), ...(realtime > 0 ? ['rows in realtime'] : [])];
      const open = [...chunks.map(([name]) => `chunks ${name}`), ...rows];
      return open.length > 0 ? open : ['output to write'];
    } finally {
      await store.close();
      rmSync(copy, { recursive: true });
    }
  }
}
