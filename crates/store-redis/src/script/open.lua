-- Settles what is settled once. KEYS: meta, shard. ARGV: 1 schema, 2 shards that are asked for ('': any), 3 shards of a new
-- database, 4 the key of the cluster, 5 whether that is known ('': it is new), 6 the place among the databases of the cluster,
-- 7 how many those are.
local meta = redis.call('HMGET', KEYS[1], 'schema', 'shards', 'key', 'holds')
if meta[1] and tonumber(meta[1]) > tonumber(ARGV[1]) then
    return { 'schema', meta[1], '', '' }
end
local shards, holds = meta[2], meta[4]
local first = redis.call('HGET', KEYS[2], 'schema')
if not shards then
    if first and tonumber(first) > tonumber(ARGV[1]) then
        return { 'schema', first, '', '' }
    end
    -- The first format had no meta, and one shard.
    shards = first == '1' and '1' or ARGV[3]
end
if ARGV[2] ~= '' and ARGV[2] ~= shards then
    return { 'shards', shards, '', '' }
end
if ARGV[5] ~= '' and meta[3] and meta[3] ~= ARGV[4] then
    return { 'cluster', shards, '', '' }
end
if not holds then
    local place, of, number = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(shards)
    if meta[2] or first == '1' then
        -- Made before there were several.
        place, of = 0, 1
    end
    holds = string.format('%d-%d', math.floor(place * number / of), math.floor((place + 1) * number / of))
end
redis.call('HSETNX', KEYS[1], 'schema', ARGV[1])
redis.call('HSETNX', KEYS[1], 'shards', shards)
redis.call('HSETNX', KEYS[1], 'key', ARGV[4])
redis.call('HSETNX', KEYS[1], 'holds', holds)
-- So that a program that knows no meta keeps off.
redis.call('HSETNX', KEYS[2], 'schema', ARGV[1])
return { 'open', shards, redis.call('HGET', KEYS[1], 'key'), holds }
