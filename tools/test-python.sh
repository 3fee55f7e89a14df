#!/usr/bin/env bash
# Runs the Python tests in two processes at once, each with its own fixtures.
# usage: test-python.sh [PYTEST_OPTION...]
set -uo pipefail
cd "$(dirname "$0")/.."
folders=(tests/cli tests/install tests/layout)  # with tests/compat, about half of the time
log=$(mktemp)
trap 'rm -f "$log"' EXIT

second_half() {
  local status=0
  .venv/bin/python -m pytest "${folders[@]}" "$@" || status=$?
  # The tests of Torch-TensorRT run beside the PyTorch that it was built for (tools/compat.sh).
  GREENLANE_BUILD=$PWD/build/compat .venv-compat/bin/python -m pytest tests/compat "$@" || status=$?
  return $status
}

second_half "$@" > "$log" 2>&1 &
.venv/bin/python -m pytest tests "${folders[@]/#/--ignore=}" --ignore=tests/compat "$@"
rest=$?
wait $!
status=$?
cat "$log"
exit $((rest != 0 ? rest : status))
