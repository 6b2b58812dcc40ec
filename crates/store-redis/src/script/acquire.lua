-- Takes the shard over, unless somebody else holds it under another epoch than the one given.
-- KEYS: shard, the lease of the previous format. ARGV: 1 instance, 2 who, 3 owner's session, 4 epoch whose holder is dead
-- ('': none), 5 schema, 6 to 8 incarnation, epoch and commit that this process knows of (0: none), 9 the name of this run of
-- the server ('': none of its runs loses what it acknowledged).
local shard = redis.call('HMGET', KEYS[1], 'schema', 'incarnation', 'epoch', 'commit', 'holder', 'who', 'run')
if shard[1] and tonumber(shard[1]) > tonumber(ARGV[5]) then
    return { 'schema', shard[1] }
end
local lease = redis.call('HGET', KEYS[2], 'who')
if lease then
    return { 'held', shard[3] or '0', lease }
end
local incarnation, epoch = tonumber(shard[2] or '1'), tonumber(shard[3] or '0')
local commit = tonumber(shard[4] or '0')
local known = { tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]) }
if shard[5] and shard[5] ~= ARGV[1] and shard[3] ~= ARGV[4] then
    -- Who knows a later epoch of the same incarnation had the shard after that holder: the store went back.
    if incarnation ~= known[1] or epoch >= known[2] then
        return { 'held', shard[3], shard[6] or '' }
    end
end
local answer = 'taken'
if epoch < known[2] or commit < known[3] then
    -- The store went back: what was committed here before is not what it holds now.
    incarnation = math.max(incarnation, known[1]) + 1
    epoch = math.max(epoch, known[2])
    answer = 'went back'
elseif ARGV[9] ~= '' and shard[7] and shard[7] ~= '' and shard[7] ~= ARGV[9] and shard[5]
    and (incarnation ~= known[1] or epoch ~= known[2]) then
    -- The holder did not give it back, and another run of the server acknowledged what it did last: nobody can tell whether
    -- that is all here.
    incarnation = incarnation + 1
    answer = 'another run'
end
epoch = epoch + 1
redis.call('HSET', KEYS[1], 'schema', ARGV[5], 'incarnation', incarnation, 'epoch', epoch, 'owner', ARGV[3],
    'holder', ARGV[1], 'who', ARGV[2], 'run', ARGV[9])
return { answer, tostring(incarnation), tostring(epoch), tostring(commit) }
