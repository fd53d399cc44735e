/**
 * Of the script: the line of those that wait, as src/domain/pacing/waiting-line.ts has it, and what that file takes from
 * pool.ts.
 */
export const LINE_LUA = `
local function flowIn(bucket, ms) return (ms / WINDOW_MS[bucket.name]) * bucket.perWindow end
local function neededOf(bucket, amounts)
  return math.min(math.max(0, amounts[bucket.name] or 0), bucket.capacity)
end

local function sumOf(bucket, before)
  local sum = 0
  for _, waiter in ipairs(pool.line) do
    if waiter.id == before then break end
    sum = sum + neededOf(bucket, waiter.amounts)
  end
  return sum
end

local function canPay(amounts, waiter)
  for _, bucket in ipairs(each()) do
    local needed = neededOf(bucket, amounts)
    local kept = math.min(bucket.aside, sumOf(bucket, waiter))
    if needed > 0 and needed + kept - bucket.level > EPSILON then return false end
  end
  return true
end

local function msFor(bucket, amount)
  if bucket.perWindow > 0 then return (amount / bucket.perWindow) * WINDOW_MS[bucket.name] end
  return math.huge
end

local function untilThere(bucket, amounts)
  local needed = neededOf(bucket, amounts)
  local short = needed - bucket.level
  if needed > 0 and short > EPSILON then return msFor(bucket, short) end
  return 0
end

local function untilPast(bucket, amounts)
  local needed = neededOf(bucket, amounts)
  local short = needed + bucket.aside - bucket.level
  if needed <= 0 or short <= EPSILON then return 0 end
  local ms = math.min(msFor(bucket, short) / (1 - ASIDE_SHARE), msFor(bucket, needed + bucket.ahead - bucket.level))
  local asideThen = math.min(bucket.aside + ASIDE_SHARE * flowIn(bucket, ms), bucket.ahead)
  if needed + asideThen > bucket.capacity + EPSILON then return math.huge end
  return ms
end

local function longest(buckets, msOf, amounts)
  local found, name = -1, 'requests'
  for _, bucket in ipairs(buckets) do
    local ms = msOf(bucket, amounts)
    if ms > found then found, name = ms, bucket.name end
  end
  return math.max(0, found), name
end

local function payFirst(bucket, amounts, afterMs)
  local needed = neededOf(bucket, amounts)
  local flow = 0
  if bucket.perWindow > 0 then flow = flowIn(bucket, afterMs) end
  bucket.level = math.min(bucket.capacity, bucket.level + flow) - math.max(0, amounts[bucket.name] or 0)
  bucket.aside = math.max(0, math.min(bucket.aside + ASIDE_SHARE * flow, bucket.ahead) - needed)
  bucket.ahead = math.max(0, bucket.ahead - needed)
end

local function untilPaid(amounts, waiter)
  local buckets = {}
  for at, bucket in ipairs(each()) do
    local ahead = sumOf(bucket, waiter)
    buckets[at] = {
      name = bucket.name, perWindow = bucket.perWindow, capacity = bucket.capacity,
      level = bucket.level, aside = math.min(bucket.aside, ahead), ahead = ahead,
    }
  end
  local passedMs = 0
  for _, first in ipairs(pool.line) do
    if first.id == waiter then break end
    local pastMs, pastName = longest(buckets, untilPast, amounts)
    local turnMs = longest(buckets, untilThere, first.amounts)
    if pastMs <= turnMs then return passedMs + pastMs, pastName end
    passedMs = passedMs + turnMs
    for _, bucket in ipairs(buckets) do payFirst(bucket, first.amounts, turnMs) end
  end
  local ownMs, ownName = longest(buckets, untilThere, amounts)
  return passedMs + ownMs, ownName
end

local function placeOf(waiter)
  for at, one in ipairs(pool.line) do
    if one.id == waiter then return at, one end
  end
end

local function joinLine(waiter, amounts, untilMs, waitMs)
  local _, place = placeOf(waiter)
  if place then
    place.untilMs, place.amounts = untilMs, amounts
    return
  end
  if #pool.line >= WAITERS_MAX or waitMs == math.huge then return end
  for _, bucket in ipairs(each()) do
    local needed = neededOf(bucket, amounts)
    local sum = sumOf(bucket, nil) + needed
    local missing = sum - bucket.aside - flowIn(bucket, waitMs)
    bucket.aside = bucket.aside + math.max(0, math.min(missing, needed, bucket.level - bucket.aside))
  end
  pool.line[#pool.line + 1] = { id = waiter, untilMs = untilMs, amounts = amounts }
end

local function leaveLine(waiter)
  local at, place = placeOf(waiter)
  if not place then return end
  for _, bucket in ipairs(each()) do
    local needed = neededOf(bucket, place.amounts)
    local before = sumOf(bucket, waiter)
    bucket.aside = bucket.aside - math.max(0, math.min(bucket.aside - before, needed))
  end
  table.remove(pool.line, at)
end
`;
