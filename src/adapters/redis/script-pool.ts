/**
 * Of the script: how a pool is kept in its hash, and the steps that change it, as src/domain/pacing/bucket.ts has them.
 * Numbers are kept with 17 digits, so that they come back as they were; cjson would cut them to 14.
 */
export const STATE_LUA = `
local step, said = ARGV[1], cjson.decode(ARGV[2])
local function text(number) return string.format('%.17g', number) end

local now = tonumber(ARGV[3])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
end

local FIELDS = { 'perWindow', 'capacity', 'level', 'aside', 'born', 'corrected', 'paid', 'returned' }
local pool

local function load()
  local kept = redis.call('HMGET', KEYS[1], 'life', 'at', 'paused', 'line', unpack(NAMES))
  if not kept[1] then return nil end
  local found = { life = kept[1], at = tonumber(kept[2]), paused = tonumber(kept[3]), line = {}, buckets = {} }
  if kept[4] then found.line = cmsgpack.unpack(kept[4]) end
  for at, name in ipairs(NAMES) do
    local packed = kept[4 + at]
    if packed then
      local bucket, field = { name = name }, 0
      for number in string.gmatch(packed, '%S+') do
        field = field + 1
        bucket[FIELDS[field]] = tonumber(number)
      end
      found.buckets[name] = bucket
    end
  end
  return found
end

local function save()
  local values = { 'life', pool.life, 'at', text(pool.at), 'paused', text(pool.paused) }
  local gone = {}
  if #pool.line > 0 then
    values[#values + 1] = 'line'
    values[#values + 1] = cmsgpack.pack(pool.line)
  else
    gone[1] = 'line'
  end
  for _, name in ipairs(NAMES) do
    local bucket = pool.buckets[name]
    if bucket then
      local numbers = {}
      for at, field in ipairs(FIELDS) do numbers[at] = text(bucket[field]) end
      values[#values + 1] = name
      values[#values + 1] = table.concat(numbers, ' ')
    else
      gone[#gone + 1] = name
    end
  end
  redis.call('HSET', KEYS[1], unpack(values))
  if #gone > 0 then redis.call('HDEL', KEYS[1], unpack(gone)) end
  redis.call('EXPIRE', KEYS[1], STATE_KEPT_SECONDS)
end

-- Buckets in the order of their names, as setLimits makes them.
local function each()
  local list = {}
  for _, name in ipairs(NAMES) do list[#list + 1] = pool.buckets[name] end
  return list
end
`;

export const STEPS_LUA = `
local function refill()
  local elapsedMs, backMs = math.max(0, now - pool.at), math.max(0, pool.at - now)
  pool.at = now
  pool.paused = pool.paused - backMs
  for _, waiter in ipairs(pool.line) do waiter.untilMs = waiter.untilMs - backMs end
  local gone = {}
  for _, waiter in ipairs(pool.line) do
    if waiter.untilMs < now then gone[#gone + 1] = waiter.id end
  end
  for _, id in ipairs(gone) do leaveLine(id) end
  for _, bucket in ipairs(each()) do
    local flow = flowIn(bucket, elapsedMs)
    bucket.level = math.min(bucket.capacity, bucket.level + flow)
    bucket.aside = math.min(bucket.aside + ASIDE_SHARE * flow, math.min(bucket.capacity, sumOf(bucket, nil)))
  end
end

local function moveLevel(bucket, to)
  local level = math.min(bucket.capacity, to)
  bucket.corrected = bucket.corrected + (level - bucket.level)
  bucket.level = level
end

local function wholeMs(ms) return math.min(WAIT_MS_MAX, math.max(1, math.ceil(ms))) end

local function seenMembers()
  redis.call('ZADD', KEYS[2], text(now), said.member)
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', '(' .. text(now - MEMBER_SEEN_MS))
  redis.call('EXPIRE', KEYS[2], STATE_KEPT_SECONDS)
  return redis.call('ZCARD', KEYS[2])
end

local steps = {}

function steps.take()
  local amounts, waiter = said.amounts, said.waiter
  if waiter == cjson.null then waiter = nil end
  if now < pool.paused then
    local _, place = placeOf(waiter)
    if place then place.untilMs = pool.paused + WAITER_GONE_MS end
    return { 'wait', seenMembers(), text(wholeMs(pool.paused - now)), 'paused' }
  end
  if not canPay(amounts, waiter) then
    local ms, name = untilPaid(amounts, waiter)
    local waitMs = wholeMs(ms)
    if waiter then joinLine(waiter, amounts, now + waitMs + WAITER_GONE_MS, ms) end
    return { 'wait', seenMembers(), text(waitMs), name }
  end
  if waiter then leaveLine(waiter) end
  local answer = { 'taken', seenMembers(), pool.life, text(now) }
  for _, bucket in ipairs(each()) do
    local amount = math.max(0, amounts[bucket.name] or 0)
    bucket.level = bucket.level - amount
    bucket.paid = bucket.paid + amount
    for _, value in ipairs({
      bucket.name, text(bucket.level), text(bucket.corrected), text(bucket.paid), text(bucket.returned),
    }) do answer[#answer + 1] = value end
  end
  return answer
end

function steps.forget()
  leaveLine(said.waiter)
end

function steps.correct()
  for _, bucket in ipairs(each()) do
    local amount = said.amounts[bucket.name] or 0
    bucket.level = math.min(bucket.capacity, bucket.level - amount)
    if amount > 0 then bucket.paid = bucket.paid + amount else bucket.returned = bucket.returned - amount end
  end
end

function steps.setLimits()
  for _, name in ipairs(NAMES) do
    local limit, bucket = said.limits[name], pool.buckets[name]
    if not limit then
      pool.buckets[name] = nil
    elseif bucket then
      bucket.perWindow, bucket.capacity = limit.perWindow, limit.capacity
      moveLevel(bucket, bucket.level)
      bucket.aside = math.min(bucket.aside, limit.capacity)
    else
      pool.buckets[name] = {
        name = name, perWindow = limit.perWindow, capacity = limit.capacity,
        level = math.min(limit.capacity, said.levels[name] or limit.capacity),
        aside = 0, born = now, corrected = 0, paid = 0, returned = 0,
      }
    end
  end
end

function steps.observe()
  for _, seen in ipairs(said.sightings) do
    local bucket, mark = pool.buckets[seen.bucket], seen.mark
    if bucket and mark.life == pool.life and mark.atMs >= bucket.born then
      local level = mark.level + (bucket.corrected - mark.corrected)
      local least = level - (bucket.paid - mark.paid) - seen.roundedTo
      local flow = flowIn(bucket, math.max(0, now - mark.atMs))
      local most = level + (bucket.returned - mark.returned) + flow + seen.underWay + seen.roundedTo
      if seen.remaining < least then
        moveLevel(bucket, bucket.level + (seen.remaining - least))
      elseif seen.remaining - most > bucket.capacity * RAISE_FROM_SHARE then
        moveLevel(bucket, bucket.level + (seen.remaining - most))
      end
    end
  end
end

function steps.drain()
  for _, name in ipairs(said.buckets) do
    local bucket = pool.buckets[name]
    if bucket then
      if bucket.level > 0 then moveLevel(bucket, 0) end
      bucket.born = now + 1
    end
  end
end

function steps.pause()
  pool.paused = math.max(pool.paused, now + said.forMs)
end

function steps.view()
  local answer = { 'view', text(math.max(0, pool.paused - now)) }
  for _, bucket in ipairs(each()) do
    for _, value in ipairs({
      bucket.name, text(bucket.perWindow), text(bucket.capacity), text(bucket.level), text(bucket.aside),
    }) do answer[#answer + 1] = value end
  end
  return answer
end
`;
