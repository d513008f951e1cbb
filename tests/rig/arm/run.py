#!/usr/bin/env python3
"""Plays the rig's scenarios. Called by run.sh, which has built what is needed.

usage: run.py --image DIR --simulator FILE --packages DIR [--cuts N] [--long] [--only NAME,NAME] [--keep]
"""

import argparse
import os
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import cuts  # noqa: E402
import scenarios as s  # noqa: E402
from stage import Stage, packages_in, play  # noqa: E402

# Name, scenario, whether everything has to work before it begins.
SHORT = [
    ("first_boot_to_first_sale", s.first_boot_to_first_sale, False),
    ("reader_gone_in_a_sale", s.reader_gone_in_a_sale, True),
    ("keypad_gone_in_a_sale", s.keypad_gone_in_a_sale, True),
    ("cable_pulled", s.cable_pulled, True),
    ("host_down_and_back", s.host_down_and_back, True),
    ("display_and_lines", s.display_and_lines, True),
]
LONG = [
    ("frozen_daemon", s.frozen_daemon, True),
    ("restart_loop", s.restart_loop, True),
    ("disk_full", s.disk_full, True),
    ("upgrade_with_a_queue", s.upgrade_with_a_queue, True),
    ("morning", s.morning, True),
    ("wrong_clock", s.wrong_clock, True),
    ("power_cuts", cuts.power_cuts, True),
]


def table(rows, facts):
    print("\n| scenario | result | time | what was seen |\n|---|---|---|---|")
    for name, result, seconds, seen in rows:
        print(f"| {name.replace('_', ' ')} | {result} | {seconds:.0f} s | {seen.splitlines()[0][:300]} |")
    if facts:
        print("\n| figure | measured |\n|---|---|")
        for name, value in facts.items():
            print(f"| {name} | {value if isinstance(value, str) else f'{value:.1f} s'} |")


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--image", required=True)
    words.add_argument("--simulator", required=True)
    words.add_argument("--packages", required=True)
    words.add_argument("--cuts", type=int, default=10)
    words.add_argument("--long", action="store_true")
    words.add_argument("--only", default="")
    words.add_argument("--keep", action="store_true")
    asked = words.parse_args()
    chosen = SHORT + (LONG if asked.long else [])
    if asked.only:
        names = asked.only.split(",")
        # Everything stands on a terminal that has been set up.
        chosen = [row for row in SHORT + LONG if row[0] in names or row[1] is s.first_boot_to_first_sale]
    directory = tempfile.mkdtemp(prefix="rig-")
    stage = Stage(asked.image, asked.simulator, packages_in(asked.packages), directory)
    stage.cuts = asked.cuts
    begun = time.monotonic()
    try:
        rows = play(stage, chosen, lambda line: print(line, flush=True))
    finally:
        stage.drop()
    failed = sum(1 for row in rows if row[1] == "FAILED")
    passed = sum(1 for row in rows if row[1] == "ok")
    table(rows, stage.facts)
    if failed or asked.keep:
        print(f"rig: logs and disk are in {directory}", file=sys.stderr)
    else:
        shutil.rmtree(directory)
    print(f"\nrig: the scenarios took {time.monotonic() - begun:.0f} s")
    print(f"rig: {passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
