/**
 * What a load test says to whoever reads it: a few sentences, each with the numbers that it rests on and what follows
 * from them. What is merely possible is not said.
 */
import { formatCount, formatUsd, plural } from '../../base/units.ts';
import type { KneeView, LoadPoint } from './live.ts';
import type { ImpliedLimit, LimitsView } from './rate-watch.ts';
import type { LoadView, PartView, StageView } from './view.ts';

type Seen = Omit<LoadView, 'findings'>;

/** The slowest are so many times as slow as the middle: more than the answers themselves explain. */
const UNEVEN = 5;
/** Latency at much load against little. */
const GROWN = 1.5;
const LOAD_GROWN = 1.5;
const SECONDS_MIN = 9;
const START_SECONDS = 2;
const COUNT_MIN = 50;
/** So long, and so often, in vain at the end of a test. */
const GONE_SECONDS_MIN = 2;
const GONE_COUNT_MIN = 5;
/** The tester was late with sending. */
const LAG_MS = 20;
/** So near to what was tried, what is sure is as good as it. */
const SURE_SHARE = 0.9;
/** From this share of failures on there is something to say. */
const FAILED_SHARE = 0.01;
/** Kinds of failures with a sentence of their own. */
const TOLD_APART = ['timeout', 'not_sent', 'overloaded_error'];

export function findingsOf(view: Seen, points: readonly LoadPoint[]): readonly string[] {
  return [
    ...nothing(view),
    ...changed(view),
    ...knee(view),
    ...refused(view),
    ...(view.requests.rate_limited > 0 ? [] : grows(points)),
    ...uneven(view),
    ...omitted(view),
    ...failures(view),
    ...gone(view, points),
    ...streamed(view),
    ...connections(view),
    ...tester(view),
    ...ended(view),
  ];
}

function nothing({ requests, ended_by: endedBy, settings }: Seen): string[] {
  if (requests.succeeded > 0) return [];
  if (requests.sent === 0) {
    const why: Partial<Record<typeof endedBy, string>> = {
      max_cost: 'the most that one request can cost is more than --max-cost',
      duration: `no request fell into ${settings.duration_seconds} s`,
      stopped: 'the test was stopped before',
    };
    return [`Nothing was sent: ${why[endedBy] ?? 'there was no room'}.`];
  }
  const [kind] = Object.keys(requests.failures);
  const why = kind === undefined ? '' : ` Most often it was ${kind}.`;
  const early = endedBy === 'nothing_succeeds' ? ' The test was broken off, because the rest would be no better.' : '';
  return [`None of ${plural(requests.sent, 'request')} succeeded.${why}${early}`];
}

/** What was typed is not what was tested then. */
function changed({ changes }: Seen): string[] {
  const last = changes.at(-1);
  if (!last) return [];
  const to = last.users === null ? rate(last.per_second ?? 0) : plural(last.users, 'user');
  const times = changes.length === 1 ? 'once' : `${formatCount(changes.length)} times`;
  return [
    `The load was changed ${times} while it ran, the last time to ${to} after ${last.at_seconds.toFixed(0)} s: the figures are of all of it.`,
  ];
}

function knee(view: Seen): string[] {
  const { knee: found } = view;
  if (!found) return [];
  const { last_clean_per_second: clean, first_refused_per_second: first, sustained_per_second: sustained } = found;
  if (first === null) {
    const top = view.by_stage.at(-1);
    return top === undefined ? [] : [unrefused(top, found, view)];
  }
  const below = clean === null ? 'already at the lowest rate' : `between ${rate(clean)} and ${rate(first)}`;
  const goes = sustained === null ? '' : ` While some were refused, ${rate(sustained)} went through.`;
  const burst =
    sustained !== null && clean !== null && sustained < clean * 0.9
      ? ' That is less than what went through before: a full bucket lets a burst through, and what counts in the long run is the lower figure.'
      : sustained === null
        ? untold(found)
        : '';
  return [`Refusals begin ${below}.${goes}${burst} ${remedy(found)}`];
}

/** Refusals began, and nobody has seen what goes on beside them: the rate before them may have been a burst. */
function untold({
  last_clean_per_second: clean,
  told_per_second: told,
  told_by: by,
  sure_per_second: sure,
}: KneeView): string {
  if (clean === null) return '';
  if (told !== null && by !== null) {
    return told < clean
      ? ` By the headers the limit of ${NAMES[by]} is met at ${rate(told)} already: what is above it was a burst.`
      : '';
  }
  if (sure === null || sure >= clean * SURE_SHARE) return '';
  return ` What goes through for long is not told by so short a test, the rate before may have been a burst: sure is only ${rate(sure)}.`;
}

/** A full bucket lets through what the limit does not: then the knee is where the headers say, not where the test ended. */
function unrefused(
  { rate_per_second: top, from_seconds: from, to_seconds: to }: StageView,
  { told_per_second: told, told_by: by, sure_per_second: sure }: KneeView,
  { requests }: Seen,
): string {
  const few = `Less than one in twenty was refused up to ${rate(top)}`;
  const nothingWas = requests.rate_limited > 0 ? few : `Nothing was refused up to ${rate(top)}`;
  const longer = 'Steps that last longer (--duration) show it.';
  if (told !== null && by !== null && told < top) {
    return `${nothingWas}, but by the headers the limit of ${NAMES[by]} is met at ${rate(told)}: a full bucket let this burst through, and for longer it would not. ${longer}`;
  }
  if (told !== null || (sure ?? 0) >= top * SURE_SHARE) return `${nothingWas}: the knee is above that.`;
  return `${nothingWas}, in steps of ${Math.round(to - from)} s. That is no proof of a knee above it: limits that hold by the minute let a burst through. Sure is only that ${rate(sure ?? 0)} goes through for long. ${longer}`;
}

function remedy({ bound_by: bound }: KneeView): string {
  if (bound === 'input_tokens')
    return 'It is the input tokens: shorter prompts, a prompt cache, a lower rate or a higher tier.';
  if (bound === 'output_tokens') return 'It is the output tokens: shorter answers, a lower rate or a higher tier.';
  if (bound === 'tokens') return 'It is the tokens: shorter prompts and answers, a lower rate or a higher tier.';
  if (bound === 'requests') return 'It is the number of requests: a lower rate or a higher tier.';
  return 'A lower rate or a higher tier is what helps.';
}

function refused({ knee: found, requests, limits }: Seen): string[] {
  const told = limits.filter(({ bound_by: bound }) => bound !== null).map(limitText);
  if (requests.rate_limited === 0) return [];
  const ended = requests.succeeded + requests.failed + requests.rate_limited;
  const share = ((requests.rate_limited / ended) * 100).toPrecision(2);
  const count = `${plural(requests.rate_limited, 'request')} of ${formatCount(ended)} (${Number(share)}%) got a 429.`;
  const kneed = found !== null && found.first_refused_per_second !== null;
  return [kneed ? count : `${count} A lower rate or a higher tier is what helps.`, ...told];
}

const NAMES = { requests: 'requests', input_tokens: 'input tokens', output_tokens: 'output tokens', tokens: 'tokens' };
const SOURCES: Readonly<Record<ImpliedLimit['source'], string>> = {
  headers: 'as the headers say',
  refusal: 'as the refusals say',
  observed: 'by what went through',
  at_least: 'or more',
};

function limitText(limits: LimitsView): string {
  const { model, bound_by: bound } = limits;
  const limit = bound === null ? null : limits[bound];
  const what = bound === null ? '' : NAMES[bound];
  if (limit === null)
    return `The limit of ${what} of ${model} was reached; how much it is cannot be told from so short a test.`;
  return `The limit that was reached for ${model} is ${formatCount(limit.per_minute)} ${what} a minute, ${SOURCES[limit.source]}.`;
}

/** The seconds with the most under way against those with the least. */
function grows(points: readonly LoadPoint[]): string[] {
  // At the start only the quickest answers are there yet, and at the end only the slowest are left.
  const seen = points
    .slice(START_SECONDS)
    .filter((point): point is LoadPoint & { p50_ms: number } => point.p50_ms !== null && point.sent > 0);
  if (seen.length < SECONDS_MIN) return [];
  const sorted = [...seen].sort((one, other) => one.in_flight - other.in_flight);
  const third = Math.floor(sorted.length / 3);
  const [low, high] = [average(sorted.slice(0, third)), average(sorted.slice(-third))];
  if (high.load < low.load * LOAD_GROWN || high.load < low.load + 1) return [];
  const under = `${low.load.toFixed(1)} to ${high.load.toFixed(1)} requests under way`;
  const times = `from ${ms(low.ms)} to ${ms(high.ms)}`;
  if (high.ms < low.ms * GROWN)
    return [`The median stays about the same (${times}) from ${under}: the load does not slow it down.`];
  return [`The median grows with the load, ${times}, from ${under}: shorter answers or less at once keep it down.`];
}

function average(points: readonly (LoadPoint & { p50_ms: number })[]): { readonly load: number; readonly ms: number } {
  const sum = (of: (point: LoadPoint & { p50_ms: number }) => number): number =>
    points.reduce((total, point) => total + of(point), 0) / Math.max(1, points.length);
  return { load: sum((point) => point.in_flight), ms: sum((point) => point.p50_ms) };
}

/** By kind of request: that a large model takes longer than a small one is no queue. */
function uneven({ by_request: kinds }: Seen): string[] {
  const spread = ({ service }: PartView): number => (service ? service.p99_ms / service.p50_ms : 0);
  const [most] = kinds
    .filter(({ service }) => service !== null && service.count >= COUNT_MIN)
    .toSorted((one, other) => spread(other) - spread(one));
  if (!most?.service || spread(most) < UNEVEN) return [];
  const { name, service } = most;
  const of = kinds.length === 1 ? '' : ` of ${name}`;
  return [
    `Answers${of} are uneven: p99 is ${ms(service.p99_ms)}, ${spread(most).toFixed(1)} times the median of ${ms(service.p50_ms)}. Some wait in a queue while others do not.`,
  ];
}

function omitted({ latency: { total, service }, settings }: Seen): string[] {
  if (!total || !service || total.count < COUNT_MIN || total.p99_ms < service.p99_ms * 1.2) return [];
  const why =
    settings.load === 'open' ? 'arrivals stood in line before they were sent' : 'users who wait ask nothing meanwhile';
  return [
    `Measured from when requests should have begun, p99 is ${ms(total.p99_ms)}; from when they were sent it is ${ms(service.p99_ms)}: ${why}. Judge by the first.`,
  ];
}

function failures({ requests, settings }: Seen): string[] {
  const said: string[] = [];
  const ended = requests.succeeded + requests.failed + requests.rate_limited;
  const [most] = Object.entries(requests.failures);
  const isToldBelow = most?.[1] === requests.failed && TOLD_APART.includes(most[0]);
  if (requests.succeeded > 0 && requests.failed >= ended * FAILED_SHARE && !isToldBelow) {
    const kind = most === undefined ? '' : `, ${formatCount(most[1])} of them with ${most[0]}`;
    const share = Number(((requests.failed / ended) * 100).toPrecision(2));
    said.push(`${plural(requests.failed, 'request')} of ${formatCount(ended)} (${share}%) failed${kind}.`);
  }
  const { timeout = 0, not_sent: unsent = 0 } = requests.failures;
  if (timeout > 0) {
    said.push(
      `${plural(timeout, 'request')} had no whole answer within ${settings.timeout_seconds} s. They count with that time: the true times are longer.`,
    );
  }
  if (unsent > 0) {
    said.push(
      `${plural(unsent, 'arrival')} found too many requests under way and ${unsent === 1 ? 'was' : 'were'} not sent: the server does not keep up with this rate.`,
    );
  }
  const overloaded = requests.failures['overloaded_error'] ?? 0;
  if (overloaded > 0) {
    said.push(
      `${plural(overloaded, 'request')} met an overloaded API (529). That is not your limit: try again at another time.`,
    );
  }
  return said;
}

/** A server that dies in the middle looks fast: what it refuses to take is answered at once. */
function gone({ requests }: Seen, points: readonly LoadPoint[]): string[] {
  const last = points.findLastIndex(({ succeeded }) => succeeded > 0);
  // When nothing is sent any more, only what hangs is left: that says nothing of the server.
  const after = points.slice(last + 1).filter(({ sent }) => sent > 0);
  const lost = after.reduce((sum, { failed }) => sum + failed, 0);
  if (last < 0 || after.length < GONE_SECONDS_MIN || lost < GONE_COUNT_MIN || requests.failed === 0) return [];
  return [
    `Nothing succeeded after second ${points[last]?.second ?? 0}: the server was gone, or took no more. The figures are of the time before.`,
  ];
}

function streamed({ latency: { first_token: first, service }, tokens_per_second: speed }: Seen): string[] {
  if (!first || !service || !speed || first.count < COUNT_MIN) return [];
  const share = Math.round((first.p50_ms / service.p50_ms) * 100);
  return [
    `The first token comes after ${ms(first.p50_ms)} (median), ${share}% of the whole answer; then ${formatCount(speed.p50)} tokens a second.`,
  ];
}

function connections({ connections: made, requests, latency: { connect } }: Seen): string[] {
  const ended = requests.succeeded + requests.failed + requests.rate_limited;
  if (!connect || ended < COUNT_MIN || made < ended / 2) return [];
  return [
    `${formatCount(made)} connections were made for ${plural(ended, 'request')} (median ${ms(connect.p50_ms)}): the server does not keep them open.`,
  ];
}

function tester({ tester: { lag_p99_ms: lag }, latency: { service }, requests }: Seen): string[] {
  if (requests.sent < COUNT_MIN || lag < LAG_MS || lag < (service?.p50_ms ?? 0) * 0.05) return [];
  return [
    `The tester itself was late with sending by ${ms(lag)} (p99): part of the total is its own. Give it a faster machine, or less load.`,
  ];
}

function ended({ ended_by: by, settings, elapsed_seconds: elapsed, cost_usd: cost, requests }: Seen): string[] {
  if (requests.sent === 0) return [];
  const after = `after ${elapsed.toFixed(0)} s of ${settings.duration_seconds} s`;
  if (by === 'max_cost') {
    const spent = cost.total === null ? '' : ` It has cost ${formatUsd(cost.total)}.`;
    return [`The test ended ${after}, because the next request might have passed --max-cost.${spent}`];
  }
  if (by === 'max_requests' && elapsed < settings.duration_seconds * 0.9) {
    return [`The test ended ${after}, with its ${plural(settings.max_requests, 'request')} sent.`];
  }
  return [];
}

function rate(perSecond: number): string {
  return `${Number(perSecond.toPrecision(3))}/s`;
}

function ms(value: number): string {
  if (value < 10) return `${Number(value.toPrecision(2))}ms`;
  return value < 1_000 ? `${Math.round(value)}ms` : `${Number((value / 1_000).toPrecision(3))}s`;
}
