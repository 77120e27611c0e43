-- sysbench's own oltp_read_write that tells of each transaction how long its client waited for it, from its first
-- statement to the answer to COMMIT, together with the attempts that ended in an ignored error (each told as well).
require("oltp_read_write")

local ffi = require("ffi")
ffi.cdef([[
  typedef struct { long seconds; long nanoseconds; } coequal_moment;
  int clock_gettime(int clock, coequal_moment *at);
  int usleep(unsigned int microseconds);
]])

sysbench.cmdline.options.pace_ms = {"Pause after each transaction", 20}

local monotonic = 1
local moment = ffi.new("coequal_moment")
local work = event
local began

local function now_ms()
  ffi.C.clock_gettime(monotonic, moment)
  return tonumber(moment.seconds) * 1000 + tonumber(moment.nanoseconds) / 1000000
end

local function say(word, value)
  -- In one piece: threads write at the same time.
  io.write(("%s %s\n"):format(word, value))
  io.flush()
end

function sysbench.hooks.before_restart_event(failure)
  say("conflict", failure.sql_errno)
end

function event()
  began = began or now_ms()
  work()
  say("waited", ("%.1f"):format(now_ms() - began))
  began = nil
  ffi.C.usleep(sysbench.opt.pace_ms * 1000)
end
