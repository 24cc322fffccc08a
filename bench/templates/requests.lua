-- SPDX-License-Identifier: Apache-2.0
-- wrk: sends the requests of a file, one body a line, in turn, and counts them where the benchmark can see
-- it meanwhile. The last line of output is JSON.
-- Arguments: COUNTER METHOD PATH AUTHORIZATION BODIES HANDLES ("-" for none); COUNTER is a file of 8 bytes,
-- into HANDLES go the challenge ids of the answers.
local ffi = require("ffi")
ffi.cdef([[
    int open(const char *path, int flags, ...);
    void *mmap(void *address, size_t bytes, int protection, int flags, int fd, long offset);
]])
local READ_WRITE, PROT_READ_WRITE, MAP_SHARED = 2, 3, 1

local requests, at, counter = {}, 0, nil

local function map(path)
    local fd = ffi.C.open(path, READ_WRITE)
    assert(fd >= 0, path)
    return ffi.cast("int64_t *", ffi.C.mmap(nil, 8, PROT_READ_WRITE, MAP_SHARED, fd, 0))
end

local function write_handles(path)
    local out = assert(io.open(path, "w"))
    out:setvbuf("line")
    response = function(status, headers, body)
        local handle = status == 200 and body:match('"challenge_id":"([^"]+)"')
        if handle then out:write(handle, "\n") end
    end
end

function init(args)
    local method, path, authorization, bodies, handles = args[2], args[3], args[4], args[5], args[6]
    local headers = {}
    counter = map(args[1])
    if authorization ~= "-" then headers["Authorization"] = authorization end
    if handles ~= "-" then write_handles(handles) end
    if bodies == "-" then
        requests[1] = wrk.format(method, path, headers)
        return
    end
    headers["Content-Type"] = "application/json"
    for body in io.lines(bodies) do
        requests[#requests + 1] = wrk.format(method, path, headers, body)
    end
end

function request()
    at = at + 1
    counter[0] = at
    return requests[(at - 1) % #requests + 1]
end

function done(summary, latency)
    local e = summary.errors
    io.write(string.format(
        '{"requests":%d,"status":%d,"socket":%d,"timeout":%d,"p50":%.1f,"p99":%.1f,"p99.9":%.1f}\n',
        summary.requests, e.status, e.connect + e.read + e.write, e.timeout,
        latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
