-- SPDX-License-Identifier: Apache-2.0
-- wrk: real starts whose handles are written down, a line each. Arguments: PATH BODY FILE.
local out

function init(args)
    wrk.method, wrk.path, wrk.body = "POST", args[1], args[2]
    wrk.headers["Content-Type"] = "application/json"
    out = assert(io.open(args[3], "a"))
    out:setvbuf("line")
    wrk.init({})
end

function response(status, headers, body)
    local handle = status == 200 and body:match('"challenge_id":"([^"]+)"')
    if handle then out:write(handle, "\n") end
end
