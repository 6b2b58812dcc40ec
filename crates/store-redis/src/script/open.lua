-- Settles what is settled once. KEYS: meta, shard. ARGV: 1 schema, 2 shards that are asked for ('': any), 3 shards of a new
-- database, 4 a new key of the cluster.
local meta = redis.call('HMGET', KEYS[1], 'schema', 'shards')
if meta[1] and tonumber(meta[1]) > tonumber(ARGV[1]) then
    return { 'schema', meta[1] }
end
local shards = meta[2]
local first = redis.call('HGET', KEYS[2], 'schema')
if not shards then
    if first and tonumber(first) > tonumber(ARGV[1]) then
        return { 'schema', first }
    end
    -- The first format had no meta, and one shard.
    shards = first == '1' and '1' or ARGV[3]
end
if ARGV[2] ~= '' and ARGV[2] ~= shards then
    return { 'shards', shards }
end
redis.call('HSETNX', KEYS[1], 'schema', ARGV[1])
redis.call('HSETNX', KEYS[1], 'shards', shards)
redis.call('HSETNX', KEYS[1], 'key', ARGV[4])
-- So that a program that knows no meta keeps off.
redis.call('HSETNX', KEYS[2], 'schema', ARGV[1])
return { 'open', shards }
