-- Sends the request in the file args[1] again and again, with {id} a random number from
-- args[2] to args[3] and {serial} nine digits that do not repeat; args[4] is the seed.
-- The other arguments are the tokens of the users, each of whom has as many of the tasks
-- as the others, one after another: {token} is that of the owner of {id}. All have a fixed
-- meaning in the head and the body, and {serial} a fixed length, so that Content-Length
-- holds. Prints what came of it as one line of JSON.

local template, first, each, serial, user
local tokens = {}

local fill = {
  id = function() return first + (user - 1) * each + math.random(0, each - 1) end,
  token = function() return tokens[user] end,
  serial = function()
    serial = (serial + 1) % 1000000000
    return string.format("%09d", serial)
  end,
}

local function filled(name) return fill[name]() end

function init(args)
  local file = assert(io.open(args[1], "rb"))
  template = file:read("*a")
  file:close()
  for number = 5, #args do tokens[#tokens + 1] = args[number] end
  first = tonumber(args[2])
  each = math.floor((tonumber(args[3]) - first + 1) / #tokens)
  math.randomseed(tonumber(args[4]))
  serial = math.random(0, 999999999)
end

function request()
  user = math.random(#tokens)
  return (template:gsub("{(%l+)}", filled))
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"microseconds": %d, "requests": %d, "refused": %d, "connect": %d, "read": %d, ' ..
    '"write": %d, "timeout": %d, "p50": %d, "p99": %d, "max": %d}\n',
    summary.duration, summary.requests, errors.status, errors.connect, errors.read,
    errors.write, errors.timeout, latency:percentile(50), latency:percentile(99),
    latency.max
  ))
end
