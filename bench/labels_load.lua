-- wrk's side of bench/labels.py: each thread has one connection and is one annotator with a session of its own, who
-- fetches a pair, answers it, fetches the next. Arguments: the contender, and a folder with a file of headers for each
-- annotator (1.headers ...). Each acknowledged answer becomes a line of <n>.acknowledged: the item and the seconds since
-- this annotator's acknowledgement before it; anything unexpected a line of <n>.refused.

local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long seconds; long micros; } hone_time;
  int gettimeofday(hone_time *time, void *zone);
]]

local moment = ffi.new("hone_time")
local function now()
  ffi.C.gettimeofday(moment, nil)
  return tonumber(moment.seconds) + tonumber(moment.micros) / 1e6
end

local FORM = "application/x-www-form-urlencoded"
local JSON = "application/json"

-- A flow is a table of steps. `ask` returns method, path, content type and body; `read` returns the next step, and
-- the item where this answer acknowledged one. Without a next step the answer was unexpected: start again.
local flows = {}

-- The answer to a submission is the screen with the next pair.
flows.ours = {
  fetch = {
    ask = function() return "GET", "/projects/1/label" end,
    read = function(me, status, body)
      me.item = status == 200 and body:match('data%-assignment="(%d+)"')
      return me.item and "answer"
    end,
  },
  answer = {
    ask = function(me) return "POST", "/projects/1/label", FORM, "assignment_id=" .. me.item .. "&answer=left&seconds=3" end,
    read = function(me, status, body)
      local done = status == 200 and me.item
      me.item = body:match('data%-assignment="(%d+)"')
      return done and (me.item and "answer" or "fetch"), done
    end,
  },
}

-- Ours with a taste, as a live head has to have one to learn: the answer with this word is the better one.
local BETTER = "BETTER"
flows.headed = {
  fetch = {
    ask = flows.ours.fetch.ask,
    read = function(me, status, body)
      me.right = (body:find(BETTER, 1, true) or 0) > (body:find('id="answer-2"', 1, true) or math.huge)
      return flows.ours.fetch.read(me, status, body)
    end,
  },
  answer = {
    ask = function(me)
      local side = me.right and "right" or "left"
      return "POST", "/projects/1/label", FORM, "assignment_id=" .. me.item .. "&answer=" .. side .. "&seconds=3"
    end,
    read = function(me, status, body)
      me.right = (body:find(BETTER, 1, true) or 0) > (body:find('id="answer-2"', 1, true) or math.huge)
      return flows.ours.answer.read(me, status, body)
    end,
  },
}

flows.label_studio = {
  fetch = {
    ask = function(me) return "GET", "/api/projects/" .. me.project .. "/next/" end,
    read = function(me, status, body)
      me.item = status == 200 and body:match('^{"id":%s*(%d+)')
      return me.item and "answer"
    end,
  },
  answer = {
    ask = function(me)
      return "POST", "/api/tasks/" .. me.item .. "/annotations/?project=" .. me.project, JSON,
        '{"result":[{"from_name":"comparison","to_name":"answer1","type":"pairwise","value":{"selected":"left"}}],"lead_time":3}'
    end,
    read = function(me, status) return status == 201 and "fetch", status == 201 and me.item end,
  },
}

flows.potato = {
  fetch = {
    ask = function() return "GET", "/api/current_instance" end,
    read = function(me, status, body)
      me.item = status == 200 and body:match('"instance_id":%s*"([^"]+)"')
      return me.item and "answer"
    end,
  },
  answer = {
    ask = function(me)
      return "POST", "/updateinstance", JSON,
        '{"instance_id":"' .. me.item .. '","annotations":{"preference:selection":"A"}}'
    end,
    read = function(me, status, body)
      local done = status == 200 and body:find('"success"') and me.item
      return done and "advance", done
    end,
  },
  advance = {
    ask = function(me) return "POST", "/annotate", JSON, '{"action":"next_instance","instance_id":"' .. me.item .. '"}' end,
    read = function(me, status) return status == 200 and "fetch" end,
  },
}

local threads = 0
function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

local flow, me, step, headers, file

-- Opened for each line: a thread's connection must get one of the first three file numbers a thread, or wrk leaves it out.
local function note(kind, ...)
  local lines = io.open(file .. "." .. kind, "a")
  lines:write(table.concat({ ... }, "\t"), "\n")
  lines:close()
end

function init(arguments)
  flow = flows[arguments[1]]
  file = arguments[2] .. "/" .. number
  me, step, headers = {}, "fetch", {}
  for line in io.lines(file .. ".headers") do
    local name, value = line:match("^([^:]+): (.*)$")
    if name == "project" then me.project = value else headers[name] = value end
  end
end

function request()
  me.before = me.before or now()
  local method, path, kind, body = flow[step].ask(me)
  headers["Content-Type"] = kind
  return wrk.format(method, path, headers, body)
end

function response(status, _, body)
  local to, done = flow[step].read(me, status, body)
  if done then
    local then_ = me.before
    me.before = now()
    note("acknowledged", done, me.before - then_)
  end
  if not to then note("refused", step, status, (body:sub(1, 200):gsub("%s+", " "))) end
  step = to or "fetch"
end
