"""Orders on standard input, answered in lines of JSON, as contender.ts gives them."""

import json
import sys
import time


def say(value):
    print(json.dumps(value), flush=True)


def serve(first, started, step):
    """Says what the first step gave and when it was done, then runs as many steps as each line asks for, and after 0 says the peak of memory."""
    say({"loss": first, "startup": time.perf_counter() - started})
    for line in sys.stdin:
        steps = int(line)
        if steps == 0:
            break
        begin, used = time.perf_counter(), time.process_time()
        for _ in range(steps):
            last = step()
        seconds, processor = (time.perf_counter() - begin) / steps, (time.process_time() - used) / steps
        say({"seconds": seconds, "processor": processor, "loss": last if isinstance(last, float) else last.item()})
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    say({"peak": int(peak.split()[1]) * 1024})
