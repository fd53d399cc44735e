/**
 * `npm run bench:pacing`: how close to the account's limits batchrun and others send, and how often they are refused.
 *
 * Each case is sent by batchrun and by the peers of pacing-peers.mjs to the simulated API, in virtual time (pacing-virtual.mjs)
 * and in real time on sockets (pacing-real.mjs); the table holds the time to finish against the ideal of the buckets (ideal.mjs).
 * Then a million rows go by the batch lane through a queue (pacing-queue.mjs).
 *
 * `--case equal,wide` and `--only batchrun,p-limit` choose; `--quick` leaves real time out and sends a tenth of the million;
 * `--json` prints every number.
 */
import { parseArgs } from 'node:util';
import { BATCHRUN } from './pacing-batchrun.mjs';
import { CASES, REAL_CASES, wholeCase } from './pacing-cases.mjs';
import { PEERS, RETRIES_MAX, versions } from './pacing-peers.mjs';
import { measureQueue, QUEUE_CASES, quickly } from './pacing-queue.mjs';
import { measureReal } from './pacing-real.mjs';
import { measureVirtual } from './pacing-virtual.mjs';
import { printTable } from './table.mjs';

const { values } = parseArgs({
  options: {
    case: { type: 'string' },
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const CONTESTANTS = { batchrun: BATCHRUN, ...PEERS };
/** Those of real time start one after the other: a burst of one must not slow down another. */
const STAGGER_MS = 1_500;

const NOTES = `Refused: answers with 429, in percent of all calls. Given up: rows that failed for good (a peer sends them again when
the others are through, so that its time is that of all rows). Beyond 2: rows that the SDK's own two retries would have lost.
In turn: the time of sending each batch at the instant at which it fits, without knowing how long batches will run.`;

const asked = chosen(
  values.case,
  [...Object.keys(CASES), ...Object.keys(REAL_CASES), ...Object.keys(QUEUE_CASES)],
  '--case',
);
const names = chosen(values.only, Object.keys(CONTESTANTS), '--only');
const queues = values.quick ? mapValues(QUEUE_CASES, quickly) : QUEUE_CASES;
const among = (cases) => Object.keys(cases).filter((name) => asked.includes(name));

const results = [];
for (const name of among(CASES)) {
  for (const contestant of names) {
    await note(name, contestant, () => measureVirtual(wholeCase(name), CONTESTANTS[contestant]));
  }
}
if (names.includes('batchrun')) {
  for (const name of among(QUEUE_CASES)) {
    await note(name, 'batchrun', () => measureQueue(queues[name]));
  }
}
if (!values.quick || values.case !== undefined) await inRealTime();
report();

/** All at once: they wait most of the time. */
async function inRealTime() {
  const runs = among(REAL_CASES).flatMap((name) => names.map((contestant) => ({ name, contestant })));
  const noted = runs.map(async ({ name, contestant }, nth) => {
    await new Promise((resolve) => setTimeout(resolve, nth * STAGGER_MS));
    await note(name, contestant, () => measureReal(wholeCase(name), contestant));
  });
  await Promise.all(noted);
}

/** One that fails is told of in its place; the others are measured all the same. */
async function note(name, contestant, measure) {
  try {
    results.push({ case: name, contestant, ...(await measure()) });
  } catch (error) {
    results.push({ case: name, contestant, error: error.message });
    process.exitCode = 1;
  }
}

function report() {
  const about = { node: process.version, versions: versions(), retries_max: RETRIES_MAX };
  if (values.json) return process.stdout.write(`${JSON.stringify({ ...about, results })}\n`);
  const peers = Object.entries(about.versions).map(([name, version]) => `${name} ${version}`);
  process.stdout.write(`Node ${about.node}, ${peers.join(', ')}; the SDK of the peers retries ${RETRIES_MAX} times\n`);
  const texts = { ...CASES, ...REAL_CASES, ...queues };
  for (const name of asked) {
    const lines = results.filter((result) => result.case === name);
    if (lines.length === 0) continue;
    lines.sort((one, other) => names.indexOf(one.contestant) - names.indexOf(other.contestant));
    const ideal = lines.find((line) => line.ideal_seconds !== undefined)?.ideal_seconds;
    const known = ideal === undefined ? '' : `; ideal ${timeText(ideal)}`;
    process.stdout.write(`\n${name}: ${texts[name].text}${known}\n`);
    printTable(tableOf(lines));
  }
  process.stdout.write(`\n${NOTES}\n`);
}

function tableOf(lines) {
  const isQueue = lines.some((line) => line.in_turn_ratio !== undefined);
  const head = ['', 'time', 'x ideal', ...(isQueue ? ['x in turn'] : []), 'calls', 'refused', 'given up', 'beyond 2'];
  return [
    head,
    ...lines.map((line) => {
      const { about } = CONTESTANTS[line.contestant];
      if (line.error !== undefined) return [about, ...Array(head.length - 2).fill(''), line.error];
      return [
        ...[about, timeText(line.seconds), line.ratio.toFixed(3)],
        ...(isQueue ? [line.in_turn_ratio.toFixed(3)] : []),
        ...[String(line.calls), `${line.refusals} (${line.refusals_percent.toFixed(1)} %)`],
        ...[String(line.given_up), line.beyond_default === null ? '' : String(line.beyond_default)],
      ];
    }),
  ];
}

function timeText(seconds) {
  return seconds < 3_600 ? `${seconds.toFixed(1)} s` : `${(seconds / 3_600).toFixed(3)} h`;
}

function mapValues(record, change) {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}

/** What a list names; all where nothing is said. */
function chosen(list, known, flag) {
  const given = list?.split(',') ?? known;
  const unknown = given.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`${flag}: there is no ${unknown}; there are ${known.join(', ')}`);
  return given;
}
