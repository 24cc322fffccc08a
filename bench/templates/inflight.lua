-- SPDX-License-Identifier: Apache-2.0
-- wrk's script of bench/inflight: every connection sends one start after the other; their first ones
-- are spread over `spread_ms`. wrk takes the time of a request from behind that delay.
-- The last line of the output is the result as JSON.
local spread_ms = tonumber(os.getenv("BENCH_SPREAD_MS"))
local connections = tonumber(os.getenv("BENCH_CONNECTIONS"))
local delayed = 0
local sent = 0

function delay()
    delayed = delayed + 1
    if delayed <= connections then
        return math.floor(spread_ms * delayed / connections)
    end
    return 0
end

function request()
    sent = sent + 1
    local body = string.format('{"user_id":"user-%08d","device_id":"device-%08d"}', sent, sent)
    return wrk.format("POST", "/v1/biometrics/start", {["Content-Type"] = "application/json"}, body)
end

function done(summary, latency, requests)
    local e = summary.errors
    io.write(string.format(
        '{"requests":%d,"duration_us":%d,"errors":{"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d},' ..
        '"latency_us":{"p50":%d,"p99":%d,"p99.9":%d,"max":%d}}\n',
        summary.requests, summary.duration, e.connect, e.read, e.write, e.timeout, e.status,
        latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max))
end
