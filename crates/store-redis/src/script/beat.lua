-- Shows that the owner lives. KEYS: shard, owner. ARGV: 1 instance, 2 who, 3 lease ms, 4 epoch, 5 beat.
local held = redis.call('HGET', KEYS[2], 'instance')
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[4] or (held and held ~= ARGV[1]) then
    return 0
end
redis.call('HSET', KEYS[2], 'instance', ARGV[1], 'beat', ARGV[5], 'who', ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return 1
