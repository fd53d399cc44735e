/**
 * The one script of the shared limiter. Redis runs it whole or not at all, and nothing else meanwhile; its time is the
 * server's. It is bucket.ts and waiting-line.ts (src/domain/pacing) in Lua: the same steps in the same order, so that the
 * same numbers come out to the last digit. What is not clear here is explained there.
 *
 * KEYS: the pool and its members, or the creates of an organization. ARGV: the step, what it needs as JSON, and a time in
 * ms that only tests give.
 *
 * Needs Redis 5 or newer (or Valkey): before that a script that asks for the time may not write.
 */
import { createHash } from 'node:crypto';
import { RAISE_FROM_SHARE, WAIT_MS_MAX, WAITER_GONE_MS } from '../../domain/pacing/bucket.ts';
import { BUCKET_NAMES, windowMs } from '../../domain/pacing/limiter.ts';
import { ASIDE_SHARE, EPSILON, WAITERS_MAX } from '../../domain/pacing/waiting-line.ts';
import { LINE_LUA } from './script-line.ts';
import { STATE_LUA, STEPS_LUA } from './script-pool.ts';

/** What nobody has asked for so long is forgotten: twice the longest window, so that a full day's bucket is full again. */
export const STATE_KEPT_SECONDS = 2 * 86_400;
/** A process that has not paid for so long is not counted when the others reckon their shares. */
export const MEMBER_SEEN_MS = 2 * 60_000;

const CONSTANTS = `
local ASIDE_SHARE, EPSILON = ${ASIDE_SHARE}, ${EPSILON}
local RAISE_FROM_SHARE = ${RAISE_FROM_SHARE}
local WAITER_GONE_MS, WAIT_MS_MAX, WAITERS_MAX = ${WAITER_GONE_MS}, ${WAIT_MS_MAX}, ${WAITERS_MAX}
local STATE_KEPT_SECONDS, MEMBER_SEEN_MS = ${STATE_KEPT_SECONDS}, ${MEMBER_SEEN_MS}
local NAMES = { ${BUCKET_NAMES.map((name) => `'${name}'`).join(', ')} }
local WINDOW_MS = { ${BUCKET_NAMES.map((name) => `${name} = ${windowMs(name)}`).join(', ')} }
`;

const CREATES = `
if step == 'lease' then
  local batches, rows = said.openBatches, said.openRows
  local kept = redis.call('HGETALL', KEYS[1])
  for at = 1, #kept, 2 do
    local untilMs, count = string.match(kept[at + 1], '^(%S+) (%S+)$')
    if tonumber(untilMs) <= now then
      redis.call('HDEL', KEYS[1], kept[at])
    elseif kept[at] ~= said.id then
      batches, rows = batches + 1, rows + tonumber(count)
    end
  end
  local fits = batches < said.batchesMax and rows + said.rows <= said.rowsMax
  if fits then
    redis.call('HSET', KEYS[1], said.id, text(now + said.ttlMs) .. ' ' .. text(said.rows))
    redis.call('EXPIRE', KEYS[1], STATE_KEPT_SECONDS)
  end
  return { 'lease', fits and 1 or 0 }
end
if step == 'release' then
  redis.call('HDEL', KEYS[1], said.id)
  return { 'done' }
end
`;

const DISPATCH = `
pool = load()
if not pool then
  if step == 'view' then return { 'unknown' } end
  pool = { life = 'redis-' .. text(now), at = now, paused = 0, line = {}, buckets = {} }
end
local hasLimits = next(pool.buckets) ~= nil
-- Without its limits all would be free: whoever knows them gives them again before it pays.
if step == 'take' and said.knowsLimits and not hasLimits then return { 'unknown' } end
if step == 'setLimits' and said.onlyIfLost and hasLimits then return { 'done' } end
refill()
local answer = steps[step]() or { 'done' }
save()
return answer
`;

export const SCRIPT = [CONSTANTS, STATE_LUA, LINE_LUA, STEPS_LUA, CREATES, DISPATCH].join('');

/** What EVALSHA calls it by. */
export const SCRIPT_SHA = createHash('sha1').update(SCRIPT).digest('hex');
