-- SPDX-License-Identifier: Apache-2.0
-- wrk: sends the requests of a file, one body a line, in turn; the last line of output is JSON.
-- Arguments: METHOD PATH AUTHORIZATION FILE ("-" for none). Says "started" with the first request.
local requests, at = {}, 0

function init(args)
    local method, path, authorization, file = args[1], args[2], args[3], args[4]
    local headers = {}
    if authorization ~= "-" then headers["Authorization"] = authorization end
    if file == "-" then
        requests[1] = wrk.format(method, path, headers)
        return
    end
    headers["Content-Type"] = "application/json"
    for body in io.lines(file) do
        requests[#requests + 1] = wrk.format(method, path, headers, body)
    end
end

-- wrk asks for one request on trial, before it connects.
local function say_started()
    io.stderr:write("started\n")
end

function request()
    at = at + 1
    if at == 2 then say_started() end
    return requests[(at - 1) % #requests + 1]
end

function done(summary, latency)
    local e = summary.errors
    io.write(string.format(
        '{"requests":%d,"duration_us":%d,"bytes":%d,"status":%d,"socket":%d,"timeout":%d,'
            .. '"p50":%.1f,"p99":%.1f,"p99.9":%.1f}\n',
        summary.requests, summary.duration, summary.bytes, e.status, e.connect + e.read + e.write, e.timeout,
        latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
