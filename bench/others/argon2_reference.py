"""Hashes with the C reference of Argon2id, once for each line of input, and prints the nanoseconds."""

import sys
import time

from argon2.low_level import Type, hash_secret_raw

memory, iterations = map(int, sys.argv[1:])
for _ in sys.stdin:
    began = time.perf_counter_ns()
    hash_secret_raw(
        b"correct horse battery staple",
        b"sixteen octets!!",
        time_cost=iterations,
        memory_cost=memory,
        parallelism=1,
        hash_len=32,
        type=Type.ID,
    )
    print(time.perf_counter_ns() - began, flush=True)
