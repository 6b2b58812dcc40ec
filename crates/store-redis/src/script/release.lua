-- Gives the shard back. KEYS: shard. ARGV: 1 instance, 2 epoch.
local shard = redis.call('HMGET', KEYS[1], 'holder', 'epoch')
if shard[1] == ARGV[1] and shard[2] == ARGV[2] then
    redis.call('HDEL', KEYS[1], 'owner', 'holder', 'who')
end
return 1
