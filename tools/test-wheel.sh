#!/usr/bin/env bash
# Installs the wheel for one PyTorch into a new environment, and uses it: the program, and engines from Python.
# usage: test-wheel.sh TORCH_VERSION   (PYTHON=python3.12 for another Python; tools/wheels.sh builds the wheel)
set -euo pipefail
cd "$(dirname "$0")/.."
version=$1
minor=${version%.*}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --find-links dist greenlane "torch==$version" numpy scikit-image
cp -r examples/robot tests/install/use_wheel.py "$folder"
rm -rf "$folder/robot/build"  # packages of another PyTorch
cd "$folder"
venv/bin/python use_wheel.py
venv/bin/greenlane --version
venv/bin/greenlane devices
venv/bin/python robot/export.py
venv/bin/greenlane run robot/robot.toml --seconds 2 --check
echo "the wheel for PyTorch $minor works with $(venv/bin/python -V)"
