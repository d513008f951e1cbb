#!/bin/bash
# The units of the training mode under real systemd, in a User Mode Linux: changing over and back, out of reach of everything.
# Ends with: training-systemd: N passed, N failed
cd "$(dirname "$0")/../.." || exit 1
INNER=training-in-systemd.sh NAME=training-systemd exec bash tests/rig/heal-systemd.sh
