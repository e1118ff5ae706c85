#!/usr/bin/env python3
"""`kill -9` of the gateway and of engines, in turn, under mixed load; then everybody's counts are compared.

    make storm KILLS=1000
    tests/storm/storm.py --kills 1000 [--seed N]

Ends with `kills 1000, lost 0, doubled 0, balanced yes` and status 0, or says
what it found. Every 50 kills, and at the end, clients are let finish, the
gateway is stopped well, and what clients, engines and books know is compared
request by request (reckoning.py). The words of the last line:

**kills** SIGKILLs that hit a living process: every other one the gateway, in
between the engines, one after the other. Now and then the gateway is killed
again while it starts. It always starts again on the same data.

**lost** is the number of these:
- answers that a client received whole and that are not charged, or not in full;
- tokens that a client has of a stream and that are neither charged nor in doubt;
- requests that ended neither in the whole answer, every token once and in order,
  nor in an error that says so, though one gateway lived from their beginning to
  their end; those that took longer than 30 s too;
- work of an engine of which the books know no attempt, or for which a supplier
  is owed less than its engine reported to a gateway that lived;
- requests that are still open in the journal of a gateway that has stopped.

**doubled** is the number of these:
- requests that are charged twice, or that no client made, or to another tenant;
- requests with one Idempotency-Key that one gateway has carried out twice (after a
  kill it knows no key any more, and each execution has a bill of its own);
- charges above what the client was told, above what it has been sent (after a
  crash), or above what the engines made (when the client left);
- tokens that a supplier is owed for and that its engine has not made.

**balanced** says that `books verify` and `books balance` find journal and books
good and of one mind, that the rows of the books sum to their accounts, and that
debits equal credits.

What a crash leaves in doubt stands in suspense (docs/ledger.md), and is counted
in the table. An answer that was booked when the gateway was killed, and lost its
last bytes, is charged in full; these are counted there too.
"""

from __future__ import annotations

import argparse
import contextlib
import pathlib
import random
import sys
import tempfile
import time

import storm_grid
from storm_grid import KINDS, Engine, Gateway, harness
from load import Load
from reckoning import Findings, Reckoning

CLIENTS = 12
RECKON_EVERY = 50
# Between two kills, beside what it takes until somebody has been answered.
PAUSE_SECONDS_MAX = 0.15
# Now and then a calm, so that answers which are late find time for their hedges.
CALM_SECONDS = 1.0
CALMS = 0.05
# Of the gateway's kills, those that come while it starts.
KILLED_IN_START = 0.1


class Storm:
    """The processes, the clients, and the hand that kills."""

    def __init__(self, folder: pathlib.Path, seed: int, stack: contextlib.ExitStack) -> None:
        self._chance = random.Random(seed)
        options = ("--faults", "0.05", "--seed", str(seed))
        self._engines = {site: Engine(site, folder, *options) for site in KINDS}
        for engine in self._engines.values():
            stack.callback(engine.kill)
        for engine in self._engines.values():
            engine.await_ready()
        self._gateway = Gateway(storm_grid.render(folder, self._engines))
        stack.callback(lambda: self._gateway.process.poll() is None and self._gateway.kill())
        plan = self._gateway.plan
        self._load = Load((plan.host, plan.port), CLIENTS, seed)
        stack.callback(self._load.end)
        self._reckoning = Reckoning(self._gateway, self._engines)
        self.kills = 0

    @property
    def found(self) -> Findings:
        """What has been found so far."""
        return self._reckoning.found

    def rage(self, kills: int) -> None:
        """Kills so often."""
        sites = list(self._engines)
        turn = 0
        while self.kills < kills:
            self._await_work()
            if turn % 2 == 0:
                self._kill_gateway(kills)
            else:
                engine = self._engines[sites[turn // 2 % len(sites)]]
                engine.kill()
                self.kills += 1
                engine.start()
            turn += 1
            if self.kills % RECKON_EVERY == 0 and self.kills < kills:
                self.reckon()
                print(f"{self.kills} kills, {self._load.asked} asked, {self._load.answers} answered whole", flush=True)
                self._gateway.start()
                self._load.resume()
        self.reckon()

    def reckon(self) -> None:
        """Lets all end, and compares."""
        self._load.pause()
        harness.until(self._load.quiet, "the clients have been answered", 40)
        self._gateway.stop()
        self._reckoning.reckon(self._load.take())

    def _await_work(self) -> None:
        """Waits until somebody has been answered, and a little longer: a kill is to hit work under way."""
        wanted = self._load.answers + self._chance.randrange(1, 4)
        self._load.quiet()  # Says if a client has failed.
        harness.until(lambda: self._load.answers >= wanted, f"answers before kill {self.kills + 1}")
        calm = self._chance.random() < CALMS
        time.sleep(CALM_SECONDS if calm else self._chance.uniform(0, PAUSE_SECONDS_MAX))

    def _kill_gateway(self, most: int) -> None:
        self._load.era += 1
        self._load.up.clear()
        self._gateway.kill()
        self.kills += 1
        while self.kills < most and self._chance.random() < KILLED_IN_START:
            process = self._gateway.launch()
            time.sleep(self._chance.uniform(0, 0.02))
            process.kill()
            process.wait()
            self.kills += 1
        self._gateway.start()
        self._load.era += 1
        self._load.up.set()


def main() -> int:
    """Storms, and says what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=20261123)
    parser.add_argument("--folder", type=pathlib.Path, help="keeps journal, books, logs and notes there")
    options = parser.parse_args()
    begun = time.monotonic()
    with contextlib.ExitStack() as stack:
        folder = options.folder or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="storm-")))
        folder.mkdir(parents=True, exist_ok=True)
        storm = Storm(folder, options.seed, stack)
        storm.rage(options.kills)
    found = storm.found
    print(f"\n{'seconds':<60}{time.monotonic() - begun:>14.0f}")
    for name, count in sorted(found.figures.items()):
        print(f"{name:<60}{count:>14}")
    for name in ("lost", "doubled", "unbalanced"):
        for what in getattr(found, name)[:20]:
            print(f"{name}: {what}")
    balanced = "no" if found.unbalanced else "yes"
    print(f"kills {storm.kills}, lost {len(found.lost)}, doubled {len(found.doubled)}, balanced {balanced}")
    return 1 if found.lost or found.doubled or found.unbalanced else 0


if __name__ == "__main__":
    sys.exit(main())
