-- Gives the shard back. KEYS: shard, owner. ARGV: 1 instance, 2 epoch.
if redis.call('HGET', KEYS[1], 'epoch') == ARGV[2] then
    redis.call('HDEL', KEYS[1], 'owner')
end
if redis.call('HGET', KEYS[2], 'instance') == ARGV[1] then
    redis.call('DEL', KEYS[2])
end
return 1
