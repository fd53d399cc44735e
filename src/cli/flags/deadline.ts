/**
 * `--deadline`: a time of the day is the next one, by the clock and the time zone of this machine; a duration counts from
 * now; a date with a time is what it says, also where it is over: a job that is run again names the same one.
 */
import { parseDurationMs } from '../../base/units.ts';

const TIME = /^(\d{1,2}):(\d{2})$/;
/** Seconds and fractions may be missing, and so may the zone: then it is that of this machine. */
const DATE_TIME = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?$/i;

/** Undefined where the text is none of the three. */
export function deadlineMs(text: string, nowMs: number): number | undefined {
  const word = text.trim();
  const time = TIME.exec(word);
  if (time) return nextTimeMs(Number(time[1]), Number(time[2]), nowMs);
  if (DATE_TIME.test(word)) {
    const ms = Date.parse(word.replace(' ', 'T'));
    return Number.isNaN(ms) ? undefined : ms;
  }
  // A bare number would be seconds, and 0600 ten minutes: nobody means that here.
  if (!/[a-z]$/.test(word)) return undefined;
  const ms = parseDurationMs(word);
  return ms === undefined || ms <= 0 ? undefined : nowMs + ms;
}

function nextTimeMs(hours: number, minutes: number, nowMs: number): number | undefined {
  if (hours > 23 || minutes > 59) return undefined;
  // By the calendar and not by 24 hours: at the change to summer time a day is shorter.
  const at = new Date(nowMs);
  at.setHours(hours, minutes, 0, 0);
  if (at.getTime() > nowMs) return at.getTime();
  at.setDate(at.getDate() + 1);
  at.setHours(hours, minutes, 0, 0);
  return at.getTime();
}
