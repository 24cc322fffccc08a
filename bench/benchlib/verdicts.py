# SPDX-License-Identifier: Apache-2.0
"""What the run says about the goals. Each is a ratio of one round; its median over the rounds is judged."""
import dataclasses
import statistics

BUSY = (32, 256)


@dataclasses.dataclass
class Verdict:
    text: str
    ratio: float
    at_most: float

    @property
    def met(self):
        return self.ratio <= self.at_most


def _rounds(results, field, *keys):
    """For each round a tuple with the field's value at each key; empty when one was not measured."""
    columns = [[getattr(sample, field) for sample in results.samples.get(key, [])] for key in keys]
    return list(zip(*columns))


def _verdict(text, at_most, ratios):
    ratios = list(ratios)
    return [Verdict(text, statistics.median(ratios), at_most)] if ratios else []


def start_to_floor(results, transport, connections):
    pairs = _rounds(results, "cpu_us", ("ours start", transport, connections), ("floor", transport, connections))
    return _verdict(f"start, CPU, in floors: {transport}, {connections} connections", 1.35,
                    (start / floor for start, floor in pairs))


def authenticate(results, connections):
    pairs = _rounds(results, "cpu_us", ("ours authenticate", "plain", connections),
                    ("ours start", "plain", connections))
    return _verdict(f"authenticate over start, CPU, in verifications: {connections} connections", 3.0,
                    ((mine - start) / crypto["verify_us"] for (mine, start), crypto in zip(pairs, results.crypto)))


def register(results, connections):
    pairs = _rounds(results, "cpu_us", ("ours register", "plain", connections), ("ours start", "plain", connections))
    return _verdict(f"register over start, CPU, in (1.5 verifications + 1.2 imports): {connections} connections", 1.0,
                    ((mine - start) / (1.5 * crypto["verify_us"] + 1.2 * crypto["import_us"])
                     for (mine, start), crypto in zip(pairs, results.crypto)))


def session(results, connections):
    pairs = _rounds(results, "cpu_us", ("ours session, remembered", "plain", connections),
                    ("nginx", "plain", connections))
    return _verdict(f"session with a remembered token, CPU, in nginx: {connections} connections", 0.9,
                    (mine / nginx for mine, nginx in pairs))


def added_latency(results, transport):
    triples = _rounds(results, "p50_us", ("ours start", transport, 1), ("floor", transport, 1),
                      ("upstream", transport, 1))
    return _verdict(f"start, added latency (p50), in floors: {transport}, 1 connection", 1.2,
                    ((start - direct) / max(floor - direct, 1.0) for start, floor, direct in triples))


def judge(results):
    found = []
    for connections in BUSY:
        for transport in ("plain", "tls"):
            found += start_to_floor(results, transport, connections)
    for judged in (authenticate, register, session):
        for connections in BUSY:
            found += judged(results, connections)
    for transport in ("plain", "tls"):
        found += added_latency(results, transport)
    return found
