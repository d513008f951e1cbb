"""Runs the day's work in several lives and marks each acknowledged commit in the recording of dm-log-writes.

usage: power_day.py DEVICE PROGRAM LIFE...
DEVICE is the recording device's name. A LIFE is a number of commits and how the life ends then: "300-kill" or "300-end".
The last life ends with the day. PROGRAM is tests/power_store; it says "ack N" and waits for a word on its input.
"""

import fcntl
import os
import struct
import subprocess
import sys

# struct dm_ioctl and the number of DM_TARGET_MSG in linux/dm-ioctl.h. A dmsetup for each mark would take longer than the day.
HEAD = struct.Struct("3I 2I i 4I Q 128s 129s 7s")
TARGET_MESSAGE = 0xC138FD0E


def mark(control, device, text):
    message = struct.pack("Q", 0) + b"mark " + text.encode() + b"\0"
    head = HEAD.pack(4, 0, 0, HEAD.size + len(message), HEAD.size, 0, 0, 0, 0, 0, 0, device.encode(), b"", b"")
    fcntl.ioctl(control, TARGET_MESSAGE, head + message)


def live(control, device, program, start, end, kill):
    """One life, from one number of commits to another; None is the end of the day. Gives where it came to."""
    words = [program, "--exact", "work", "--ignored", "--nocapture", "--test-threads=1"]
    environment = dict(os.environ, POWER_FROM=str(start))
    done = start
    with subprocess.Popen(
        words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as work:
        for line in work.stdout:
            if not line.startswith("ack "):
                continue
            done = int(line.split()[1])
            mark(control, device, f"ack{done}")
            if done == end and kill:
                work.kill()
                break
            work.stdin.write("end\n" if done == end else "go\n")
    if not (done == end and kill) and work.returncode != 0:
        sys.exit(f"the work ended with status {work.returncode} after {done} commits")
    return done


def main():
    device, program, *lives = sys.argv[1:]
    with open("/dev/mapper/control", "rb") as control:
        done = 0
        for life in lives:
            end, how = life.split("-")
            done = live(control, device, program, done, int(end), how == "kill")
            if done != int(end):
                sys.exit(f"the day was over after {done} commits, before {life}")
        done = live(control, device, program, done, None, False)
    print(f"{done} commits in {len(lives) + 1} lives")


main()
