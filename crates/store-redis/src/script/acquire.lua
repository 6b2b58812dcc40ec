-- Takes the shard over, unless somebody else's lease stands whose beat is not the one given.
-- KEYS: shard, owner. ARGV: 1 instance, 2 who, 3 owner's session, 4 lease ms, 5 beat that may be overruled,
-- 6 schema, 7 to 9 incarnation, epoch and commit that this process knows of (0: none).
local held = redis.call('HMGET', KEYS[2], 'instance', 'beat', 'who')
if held[1] and held[1] ~= ARGV[1] and held[2] ~= ARGV[5] then
    return { 'held', held[2], held[3] }
end
local shard = redis.call('HMGET', KEYS[1], 'schema', 'incarnation', 'epoch', 'commit')
if shard[1] and tonumber(shard[1]) > tonumber(ARGV[6]) then
    return { 'schema', shard[1] }
end
local incarnation, epoch = tonumber(shard[2] or '1'), tonumber(shard[3] or '0')
local commit = tonumber(shard[4] or '0')
local known = { tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]) }
local answer = 'taken'
if epoch < known[2] or commit < known[3] then
    -- The store went back: what was committed here before is not what it holds now.
    incarnation = math.max(incarnation, known[1]) + 1
    epoch = math.max(epoch, known[2])
    answer = 'went back'
end
epoch = epoch + 1
redis.call('HSET', KEYS[1], 'schema', ARGV[6], 'incarnation', incarnation, 'epoch', epoch, 'owner', ARGV[3])
redis.call('HSET', KEYS[2], 'instance', ARGV[1], 'beat', ARGV[1] .. ' 0', 'who', ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
return { answer, tostring(incarnation), tostring(epoch), tostring(commit) }
