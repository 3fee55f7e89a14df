#!/usr/bin/env bash
# Runs the Python tests in two processes at once, each with its own fixtures.
# usage: test-python.sh [PYTEST_OPTION...]
set -uo pipefail
cd "$(dirname "$0")/.."
pytest=(.venv/bin/python -m pytest "$@")
folders=(tests/cli tests/compat tests/install tests/layout)  # about half of the time
log=$(mktemp)
trap 'rm -f "$log"' EXIT

"${pytest[@]}" "${folders[@]}" > "$log" 2>&1 &
"${pytest[@]}" tests "${folders[@]/#/--ignore=}"
rest=$?
wait $!
status=$?
cat "$log"
exit $((rest != 0 ? rest : status))
