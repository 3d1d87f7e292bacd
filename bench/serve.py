"""What every peer of `truenorth bench` does: JSON lines in, JSON lines out. Stands before each of them.

A request {"op": "read", "prompts": [[ids]], "layer": L, "batch": B, "tuned": T} reads the last token of
block L's output. {"op": "decode", "prompts": [[ids]], "steps": N, "layer": L, "alpha": A} generates N
tokens greedily, A times a fixed direction added at block L. Each is answered with {"seconds": t} and a
small check value, so that all sides can be seen to have done the same work.
"""

import json
import sys
import time


def serve(name, work):
    """`work(request)` makes everything ready and returns what the clock runs for."""
    print(json.dumps({"ready": name}), flush=True)
    for line in sys.stdin:
        run = work(json.loads(line))
        start = time.perf_counter()
        check = run()
        print(json.dumps({"seconds": time.perf_counter() - start, "check": check}), flush=True)


