// SPDX-License-Identifier: Apache-2.0
#include "bucket/redis/partition_script.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>

#include "base/assert.hpp"

namespace headgate {
namespace {

// KEYS: the partition's meta hash, and a key that never exists. Both are named because Redis then
// refuses the whole script (TRYAGAIN) while the slot is being moved and only some of its keys are
// here; the other keys of the partition are not named.
// ARGV: the caller's time, then the operations: a letter and its arguments each.
// Reply: the history, then for each operation {status, number, version, position, bytes, more}.
// Statuses: redis_batch.cpp. Numbers are below 2^53, so that Lua's doubles are exact.
// docs/key-layout.md describes the keys.
constexpr std::string_view kScript = R"lua(
local meta, P = KEYS[1], string.sub(KEYS[1], 1, -2)
local call, try, fmt, sub = redis.call, redis.pcall, string.format, string.sub
local MAX = 67108864

local info = call('INFO', 'replication')
if not string.find(info, 'role:master', 1, true) then
  return redis.error_reply('READONLY not a master')
end
local token = string.match(info, 'master_replid:(%x+)')
local m = call('HMGET', meta, 'history', 'token', 'position', 'version')
local history, position, version = m[1], tonumber(m[3] or 0), tonumber(m[4] or 0)
local function failed(r) return type(r) == 'table' and r.err end
if m[2] ~= token then
  -- Time orders histories of masters that knew nothing of each other; versions jump over every
  -- one that a lost write may have had.
  local t = call('TIME')
  local ms = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
  local h = math.max(ms * 1024, tonumber(history or 0) + 1) + tonumber(sub(token, 1, 4), 16) % 1024
  history, version = fmt('%.0f', h), math.max(version + 16777216, h)
  local r = try('HSET', meta, 'history', history, 'token', token, 'position',
                fmt('%.0f', position), 'version', fmt('%.0f', version))
  if failed(r) then return r end
  call('RPUSH', P .. 'l', history .. ' ' .. fmt('%.0f', position))
  call('LTRIM', P .. 'l', -64, -1)
end

local now, a, old_position, old_version = tonumber(ARGV[1]), 1, position, version
local function arg() a = a + 1 return ARGV[a] end
local function refuse(r)
  if string.find(r.err, '^OOM') then return {8} end
  return {9, 0, '', 0, r.err}
end

-- Flag, version, expiry, length of the header; nothing if there is no value, or no more.
local function header(v)
  if not v or v == '' then return nil end
  local flag = sub(v, 1, 1)
  if flag == 'b' or flag == 'n' then return flag, sub(v, 2, 17), nil, 17 end
  local expires = sub(v, 18, 33)
  if tonumber(expires) <= now then return nil end
  return flag, sub(v, 2, 17), expires, 33
end
local function find(key) return header(call('GETRANGE', key, 0, 32)) end

local function read_write()
  local o = {s = arg()}
  o.key, o.db, o.member = P .. 'v' .. o.s, sub(o.s, 1, 4), sub(o.s, 5)
  o.history, o.entry = arg(), arg()
  return o
end
local function is_elsewhere(o) return o.history ~= '' and o.history ~= history end

-- Gives the write its version and enters it in the feed. The first command that fails is the first
-- of the operation, so that a refused operation has done nothing.
local function begin(o, is_removal)
  version = version + 1
  o.version, o.position = fmt('%016.0f', version), 0
  if o.entry == '' then return nil end
  position = position + 1
  local r = try('XADD', P .. 'f' .. o.db, fmt('%.0f-0', position), 'k', o.member, 'e',
                sub(o.entry, 2), 'c', o.version, 'r', is_removal and '1' or '0')
  if failed(r) then
    position = position - 1
    return r
  end
  o.position = position
end

-- Expired values leave the index when later ones come.
local function sweep(db)
  for _, member in ipairs(call('ZRANGEBYSCORE', P .. 'x' .. db, '-inf', now, 'LIMIT', 0, 2)) do
    call('ZREM', P .. 'x' .. db, member)
    local key = P .. 'v' .. db .. member
    if not find(key) then
      call('UNLINK', key)
      call('ZREM', P .. 'k' .. db, member)
    end
  end
end

local function store(o, flag, expires, bytes, is_new)
  if expires == '' then expires = nil end
  local r = begin(o, false)
  if r then return r end
  local head = expires and string.upper(flag) .. o.version .. expires or flag .. o.version
  r = try('SET', o.key, head .. bytes)
  if failed(r) then return r end
  if is_new then call('ZADD', P .. 'k' .. o.db, 0, o.member) end
  if expires then
    call('PEXPIREAT', o.key, fmt('%.0f', tonumber(expires)))
    sweep(o.db)
    call('ZADD', P .. 'x' .. o.db, expires, o.member)
  end
end

local function holds(key, prefix)
  local flag, _, _, h = find(key)
  if prefix == '-' then return not flag end
  if not flag or string.lower(flag) == 'n' then return false end
  if #prefix == 1 then return true end
  return call('GETRANGE', key, h, h + #prefix - 2) == sub(prefix, 2)
end

-- Reads the conditions of an operation; whether all hold.
local function read_conditions()
  local good = true
  for _ = 1, tonumber(arg()) do
    local key, prefix = P .. 'v' .. arg(), arg()
    good = good and holds(key, prefix)
  end
  return good
end

local ops = {}

ops.g = function()
  local v = call('GET', P .. 'v' .. arg())
  local flag, c, _, h = header(v)
  if not flag then return {1} end
  if string.lower(flag) == 'n' then return {0, tonumber(sub(v, h + 1)), c, 0, ''} end
  return {0, 0, c, 0, sub(v, h + 1)}
end

ops.r = function()
  local key, offset = P .. 'v' .. arg(), tonumber(arg())
  local flag, _, _, h = find(key)
  if not flag then return {1} end
  if string.lower(flag) == 'n' then return {6} end
  local length = call('STRLEN', key) - h
  if offset >= length then return {0, length, '', 0, ''} end
  return {0, length, '', 0, call('GETRANGE', key, fmt('%.0f', h + offset), -1)}
end

ops.i = function()
  local o = read_write()
  local expires, bytes = arg(), arg()
  local good = read_conditions()
  if is_elsewhere(o) then return {5} end
  if find(o.key) then return {2} end
  if not good then return {4} end
  local r = store(o, 'b', expires, bytes, true)
  if r then return refuse(r) end
  return {0, 0, o.version, o.position, ''}
end

ops.p = function()
  local o = read_write()
  local expires, bytes, wanted = arg(), arg(), arg()
  local good = read_conditions()
  if is_elsewhere(o) then return {5} end
  local flag, c = find(o.key)
  if not flag then return {1} end
  if c ~= wanted then return {3} end
  if not good then return {4} end
  local r = store(o, 'b', expires, bytes)
  if r then return refuse(r) end
  return {0, 0, o.version, o.position, ''}
end

ops.d = function()
  local o = read_write()
  local wanted = arg()
  local good = read_conditions()
  if is_elsewhere(o) then return {5} end
  local flag, c = find(o.key)
  if not flag then return {1} end
  if wanted ~= '' and c ~= wanted then return {3} end
  if not good then return {4} end
  local r = begin(o, true)
  if r then return refuse(r) end
  r = try('UNLINK', o.key)
  if failed(r) then return refuse(r) end
  call('ZREM', P .. 'k' .. o.db, o.member)
  return {0, 0, '', o.position, ''}
end

ops.a = function()
  local o = read_write()
  local expires, bytes = arg(), arg()
  if is_elsewhere(o) then return {5} end
  local flag, _, old_expires, h = find(o.key)
  local length, r = #bytes, nil
  if flag and string.lower(flag) == 'n' then return {6} end
  if flag then length = call('STRLEN', o.key) - h + #bytes end
  if length > MAX then return {7} end
  if not flag then
    r = store(o, 'b', expires, bytes, true)
  elseif expires ~= '' and expires ~= old_expires then
    r = store(o, 'b', expires, sub(call('GET', o.key), h + 1) .. bytes)
  else
    r = begin(o, false)
    if not r then
      r = try('APPEND', o.key, bytes)
      r = failed(r) and r or nil
    end
    if not r then call('SETRANGE', o.key, 1, o.version) end
  end
  if r then return refuse(r) end
  return {0, length, o.version, o.position, ''}
end

ops.n = function()
  local o = read_write()
  local expires, delta = arg(), tonumber(arg())
  if is_elsewhere(o) then return {5} end
  local v = call('GET', o.key)
  local flag, _, old_expires, h = header(v)
  if flag and string.lower(flag) ~= 'n' then return {6} end
  local n = (flag and tonumber(sub(v, h + 1)) or 0) + delta
  if n >= 9007199254740992 then return {6} end
  if expires == '' then expires = old_expires end
  local r = store(o, 'n', expires, fmt('%.0f', n), not flag)
  if r then return refuse(r) end
  return {0, n, o.version, o.position, ''}
end

-- Touch: the history, and the databases that are being dropped.
ops.t = function() return {0, 0, '', 0, '', call('SMEMBERS', P .. 'd')} end

-- Writes the bucket's format if there is none yet; what is there is in `bytes`.
ops.o = function()
  local own = arg()
  local r = try('SET', P .. 'format', own, 'NX', 'GET')
  if failed(r) then return refuse(r) end
  return {0, 0, '', 0, r or own}
end

-- A write, for WAIT on this connection to wait for.
ops.b = function()
  local r = try('HINCRBY', meta, 'barriers', 1)
  if failed(r) then return refuse(r) end
  return {0}
end

-- Values between two bounds; `number` is 1 if there may be more after the last member examined.
ops.s = function()
  local db, low, high, limit, reverse = arg(), arg(), arg(), tonumber(arg()), arg() == '1'
  local index = P .. 'k' .. db
  local members = reverse and call('ZREVRANGEBYLEX', index, high, low, 'LIMIT', 0, limit)
                  or call('ZRANGEBYLEX', index, low, high, 'LIMIT', 0, limit)
  local items, size, last = {}, 0, ''
  for i, member in ipairs(members) do
    local key = P .. 'v' .. db .. member
    local v = call('GET', key)
    local flag, c, _, h = header(v)
    last = member
    if flag then
      items[#items + 1] = member
      items[#items + 1] = c
      items[#items + 1] = string.lower(flag) == 'b' and sub(v, h + 1) or ''
      size = size + #v
    elseif not v then
      call('ZREM', index, member)
    end
    if size > 1048576 and i < #members then return {0, 1, '', 0, last, items} end
  end
  return {0, #members == limit and 1 or 0, '', 0, last, items}
end

-- The last entry's position.
ops.h = function()
  local last = call('XREVRANGE', P .. 'f' .. arg(), '+', '-', 'COUNT', 1)
  return {0, 0, '', last[1] and tonumber(string.match(last[1][1], '^%d+')) or 0}
end

-- Entries after a position of this history: first those that were moved out of the stream.
-- Of another history: all histories.
ops.f = function()
  local db, of, after, limit = arg(), arg(), tonumber(arg()), tonumber(arg())
  if of ~= '0' and of ~= history then
    return {5, 0, '', 0, '', call('LRANGE', P .. 'l', 0, -1)}
  end
  local entries = {}
  local moved = call('ZRANGEBYSCORE', P .. 'o' .. db, fmt('(%.0f', after), '+inf', 'WITHSCORES',
                     'LIMIT', 0, limit)
  for i = 1, #moved, 2 do
    local fields = cmsgpack.unpack(call('HGET', P .. 'e' .. db, moved[i]))
    entries[#entries + 1] = {fmt('%.0f-0', tonumber(moved[i + 1])), fields}
  end
  if #entries < limit then
    local stream = call('XRANGE', P .. 'f' .. db, fmt('%.0f-0', after + 1), '+', 'COUNT',
                        limit - #entries)
    for _, entry in ipairs(stream) do entries[#entries + 1] = entry end
  end
  return {0, 0, '', 0, '', entries}
end

-- Moves entries up to a position that no failover can lose out of a stream that is too long to
-- where of several of one key only the last is kept. `number`: how many were moved.
ops.c = function()
  local db, safe, slack = arg(), tonumber(arg()), tonumber(arg())
  local stream = P .. 'f' .. db
  local limit = call('XLEN', stream) - 2 * call('ZCARD', P .. 'k' .. db) - slack
  if limit <= 0 then return {0, 0} end
  limit = math.min(limit, 100)
  local last = call('XREVRANGE', stream, '+', '-', 'COUNT', 1)
  if not last[1] then return {0, 0} end
  safe = math.min(safe, tonumber(string.match(last[1][1], '^%d+')) - 1)
  local entries = call('XRANGE', stream, '-', fmt('%.0f-0', safe), 'COUNT', limit)
  for _, entry in ipairs(entries) do
    local at = string.match(entry[1], '^%d+')
    local r = try('HSET', P .. 'e' .. db, entry[2][2], cmsgpack.pack(entry[2]))
    if failed(r) then return refuse(r) end
    call('ZADD', P .. 'o' .. db, at, entry[2][2])
    call('XDEL', stream, entry[1])
  end
  return {0, #entries}
end

-- Marks a database as dropped.
ops.m = function()
  local r = try('SADD', P .. 'd', arg())
  if failed(r) then return refuse(r) end
  return {0}
end

-- Removes some of a dropped database; `number` is 1 if there is more.
ops.x = function()
  local db = arg()
  local index = P .. 'k' .. db
  local members = call('ZRANGE', index, 0, 199)
  for _, member in ipairs(members) do
    call('UNLINK', P .. 'v' .. db .. member)
    call('ZREM', index, member)
  end
  if #members == 200 then return {0, 1} end
  call('UNLINK', P .. 'f' .. db, P .. 'o' .. db, P .. 'e' .. db, P .. 'x' .. db)
  call('SREM', P .. 'd', db)
  return {0, 0}
end

local replies = {history}
while a < #ARGV do
  local ok, r = pcall(ops[arg()])
  -- Not known how far it came; where the next one begins neither.
  if not ok then
    if type(r) == 'table' then r = r.err end
    replies[#replies + 1] = {10, 0, '', 0, r or ''}
    break
  end
  replies[#replies + 1] = r
end
if version ~= old_version or position ~= old_position then
  try('HSET', meta, 'version', fmt('%.0f', version), 'position', fmt('%.0f', position))
end
if position ~= old_position then
  try('XADD', P .. 'b', 'MAXLEN', 1, history .. fmt('-%.0f', position), 'p', '')
end
return replies
)lua";

std::string sha1_hex(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  HG_ASSERT(EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) == 1);
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

}  // namespace

std::string_view partition_script() {
  return kScript;
}

const std::string& partition_script_digest() {
  static const std::string digest = sha1_hex(kScript);
  return digest;
}

}  // namespace headgate
