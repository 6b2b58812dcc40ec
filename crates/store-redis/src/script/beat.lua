-- Shows that a node lives, and tells how things stand. KEYS: nodes, meta, queues, workers, limits. ARGV: 1 node, 2 its row.
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return { redis.call('HGETALL', KEYS[1]), redis.call('HGET', KEYS[2], 'key'), redis.call('HGETALL', KEYS[3]),
    redis.call('HGETALL', KEYS[4]), redis.call('HGETALL', KEYS[5]) }
