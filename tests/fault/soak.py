"""./dev soak MINUTES: random faults for as long as asked, with a fresh seed each time.

Two lanes side by side: the random run on the engine in memory, on either database in turn; and on real Docker behind the proxy, cycles on
both databases with the server killed, then two servers on one daemon. Every failure says how to replay it.
"""

import itertools
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RANDOM = ROOT / "build" / "tests" / "fault" / "test-random"
ROUND_MINUTES = 10
CYCLES, OTHERS = "tests/fault/test_docker_cycles.py", "tests/fault/test_docker_others.py"
ROUND = [CYCLES, f"{OTHERS}::test_two_servers_on_one_daemon"]
OUTAGE = f"{OTHERS}::test_a_daemon_that_goes_away_changes_nothing"
OUTAGE_S, OUTAGE_FROM_MINUTES = 300, 20  # five minutes without a daemon, when there is time for it


class Lane:
    def __init__(self, name, ends_at):
        self.name, self.ends_at = name, ends_at
        self.passed = self.failed = 0
        self.notes, self.replays = [], []

    def run(self, command, **environment):
        result = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, errors="replace"
        )
        output = result.stdout + result.stderr
        if result.returncode == 0:
            self.passed += 1
        else:
            self.failed += 1
            print(output[-6000:], flush=True)
            self.replays += re.findall(r"^replay: .*", output, re.MULTILINE)
        return output

    def left_minutes(self):
        return (self.ends_at - time.monotonic()) / 60


def random_lane(lane):
    operations = removed = 0
    for database in itertools.cycle(["sqlite", "postgres"]):
        if lane.left_minutes() <= 0:
            break
        output = lane.run([str(RANDOM)], WORKSPACED_RANDOM_DATABASE=database)
        operations += int((re.search(r"seed \d+, (\d+) operations", output) or [0, 0])[1])
        removed += int((re.search(r"(\d+) workspaces removed", output) or [0, 0])[1])
    lane.notes.append(f"{operations} operations, {removed} workspaces made and removed")


def pytest_run(lane, test, **environment):
    output = lane.run([sys.executable, "-m", "pytest", "-q", "-rP", "-p", "no:cacheprovider", test], **environment)
    lane.notes += re.findall(r"^.*\d+ cycles, .*$", output, re.MULTILINE)


def docker_lane(lane):
    if lane.left_minutes() >= OUTAGE_FROM_MINUTES:
        pytest_run(lane, OUTAGE, WORKSPACED_OUTAGE_S=str(OUTAGE_S))
    while lane.left_minutes() > 0:
        minutes = max(0.5, min(ROUND_MINUTES, lane.left_minutes()) / 2)
        for test in ROUND:
            pytest_run(lane, test, WORKSPACED_SOAK_MINUTES=str(minutes))


def main():
    minutes = float(sys.argv[1])
    lanes = {lane: threading.Thread(target=work, args=(lane,)) for lane, work in (
        (Lane("random", time.monotonic() + minutes * 60), random_lane),
        (Lane("docker", time.monotonic() + minutes * 60), docker_lane),
    )}  # fmt: skip
    for thread in lanes.values():
        thread.start()
    for thread in lanes.values():
        thread.join()
    for lane in lanes:
        print(f"{lane.name}: {lane.passed} runs passed, {lane.failed} failed")
        for note in lane.notes:
            print(f"  {note}")
        for replay in dict.fromkeys(lane.replays):
            print(f"  {replay}")
    passed, failed = (sum(getattr(lane, what) for lane in lanes) for what in ("passed", "failed"))
    if len(sys.argv) > 2:
        Path(sys.argv[2]).write_text(f"{passed} {failed}\n")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
