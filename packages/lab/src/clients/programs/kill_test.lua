-- Kill test with sysbench: its own driver and its own restart of a transaction after an ignored error (1213).
-- What every program does is told in the README beside it. sysbench ends at any other error.
local ffi = require("ffi")
ffi.cdef("int usleep(unsigned int microseconds);")

sysbench.cmdline.options = {
  run = {"Number of this run", 1},
  pace_ms = {"Pause between transactions", 10},
  stop_file = {"Ends when this file is there", ""}
}

local statements = {
  select = "SELECT balance FROM kill_account WHERE id = ?",
  update = "UPDATE kill_account SET balance = balance + 1 WHERE id = ?",
  insert = "INSERT INTO kill_entry (run, n) VALUES (?, ?)"
}

function thread_init()
  con = sysbench.sql.driver():connect()
  run = sysbench.opt.run
  n = 0
  -- Prepared once for the whole run, so that they have to outlive the instance that prepared them.
  prepared = {}
  for name, sql in pairs(statements) do
    local statement = con:prepare(sql)
    local values = {}
    for _ in sql:gmatch("?") do
      values[#values + 1] = statement:bind_create(sysbench.sql.type.BIGINT)
    end
    statement:bind_param(unpack(values))
    prepared[name] = {statement = statement, values = values}
  end
end

local function ask(name, ...)
  local given = {...}
  if math.floor(n / 3) % 2 == 0 then
    con:query((statements[name]:gsub("?", function() return table.remove(given, 1) end)))
    return
  end
  for index, value in ipairs(given) do
    prepared[name].values[index]:set(value)
  end
  prepared[name].statement:execute()
end

local function finish()
  for _, each in pairs(prepared) do
    each.statement:close()
  end
  con:disconnect()
  io.write("done\n")
  io.flush()
  os.exit(0)
end

function event()
  local kind = n % 3
  if kind == 0 then
    con:query("BEGIN")
    ask("select", 2 * run)
    ask("update", 2 * run)
    ask("insert", run, n)
    con:query("COMMIT")
  elseif kind == 1 then
    ask("insert", run, n)
  else
    ask("update", 2 * run + 1)
  end
  io.write("ok ", n, "\n")
  io.flush()
  n = n + 1
  ffi.C.usleep(sysbench.opt.pace_ms * 1000)
  local stop = io.open(sysbench.opt.stop_file)
  if stop then
    stop:close()
    finish()
  end
end
