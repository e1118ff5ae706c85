#!/usr/bin/env python3
"""Runs a fuzz target: first its kept seeds, then inputs of its own for a short time.

    run.py PROGRAM SEEDS WORK [--seconds N]     what ctest runs
    run.py PROGRAM SEEDS WORK --keep            keep the inputs found so far as seeds

SEEDS is a folder of the repository, WORK one of the build; what the fuzzer
finds goes to WORK/corpus and is where the next run goes on. An input that
fails stays in WORK as `failure-*`, and the last lines say how to run it again.
`--keep` makes SEEDS anew from both: few inputs that together reach what all
of them reached.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

# An input that takes longer, or more memory, is a finding too.
LIMITS = ["-timeout=5", "-rss_limit_mb=1024"]
# The seeds are in the repository, so they are few and small.
SEEDS_MAX = 40
SEED_BYTES_MAX = 16384


def fuzz(program: str, seeds: pathlib.Path, work: pathlib.Path, seconds: int) -> int:
    """Runs the seeds and then fuzzes."""
    corpus = work / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    before = set(work.glob("failure-*"))
    print(f"{len(list(seeds.iterdir()))} seeds of {seeds}, then {seconds} s of new inputs", flush=True)
    options = [f"-max_total_time={seconds}", f"-artifact_prefix={work}/failure-", "-print_final_stats=1"]
    status = subprocess.run([program, *LIMITS, *options, corpus, seeds], check=False).returncode
    if status == 0:
        return 0
    failures = sorted(set(work.glob("failure-*")) - before)
    print(f"\n{os.path.basename(program)} ended with status {status}. To see it again:")
    # A seed that fails once more leaves the same file, which is then not new.
    for failure in failures or [work / "failure-*"]:
        print(f"  {program} {failure}")
    return 1


def keep(program: str, seeds: pathlib.Path, work: pathlib.Path) -> int:
    """Makes the seeds anew from seeds and corpus."""
    with tempfile.TemporaryDirectory() as folder:
        merged = pathlib.Path(folder)
        # Every branch once will do; how often it can be taken is for the fuzzer to find.
        options = ["-set_cover_merge=1", "-use_counters=0", f"-max_len={SEED_BYTES_MAX}"]
        done = subprocess.run([program, *LIMITS, *options, merged, seeds, work / "corpus"], check=False)
        if done.returncode != 0:
            return 1
        # Those that add most were written first.
        first = sorted(merged.iterdir(), key=lambda path: path.stat().st_mtime_ns)[:SEEDS_MAX]
        for seed in seeds.iterdir():
            seed.unlink()
        for path in first:
            (seeds / path.name[:12]).write_bytes(path.read_bytes())
    kept = list(seeds.iterdir())
    print(f"{len(kept)} seeds in {seeds}, {sum(seed.stat().st_size for seed in kept)} bytes")
    return 0


def main() -> int:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("seeds", type=pathlib.Path)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--keep", action="store_true")
    chosen = parser.parse_args()
    chosen.seeds.mkdir(parents=True, exist_ok=True)
    if chosen.keep:
        return keep(chosen.program, chosen.seeds, chosen.work)
    return fuzz(chosen.program, chosen.seeds, chosen.work, chosen.seconds)


if __name__ == "__main__":
    sys.exit(main())
