-- SPDX-License-Identifier: Apache-2.0
-- wrk: real starts whose handles are written down, a line each. Arguments: PATH BODY FILE. Says
-- "started" with the first request.
local out, start, at = nil, nil, 0

function init(args)
    start = wrk.format("POST", args[1], { ["Content-Type"] = "application/json" }, args[2])
    out = assert(io.open(args[3], "a"))
    out:setvbuf("line")
end

function request()
    at = at + 1
    if at == 2 then io.stderr:write("started\n") end
    return start
end

function response(status, headers, body)
    local handle = status == 200 and body:match('"challenge_id":"([^"]+)"')
    if handle then out:write(handle, "\n") end
end
