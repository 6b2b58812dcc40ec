-- All checks first, then writes that cannot fail. KEYS: shard. ARGV: 1 incarnation, 2 epoch, 3 owner,
-- 4 the commit's number ('' for housekeeping), 5 how many keys must not exist, those keys, then for each write the
-- number of its words and the words.
local shard = redis.call('HMGET', KEYS[1], 'incarnation', 'epoch', 'owner', 'commit')
if shard[1] ~= ARGV[1] or shard[2] ~= ARGV[2] or shard[3] ~= ARGV[3] then
    return { 'fenced', shard[2] or '0' }
end
if ARGV[4] ~= '' and tonumber(shard[4] or '0') + 1 ~= tonumber(ARGV[4]) then
    return { 'number', shard[4] or '0' }
end
local at, last = 6, 5 + tonumber(ARGV[5])
while at <= last do
    local to = math.min(at + 3999, last)
    if redis.call('EXISTS', unpack(ARGV, at, to)) > 0 then
        return { 'exists', '' }
    end
    at = to + 1
end
local all = #ARGV
while at < all do
    local to = at + tonumber(ARGV[at])
    redis.call(unpack(ARGV, at + 1, to))
    at = to + 1
end
return { 'ok', '' }
