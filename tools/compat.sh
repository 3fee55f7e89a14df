#!/usr/bin/env bash
# Builds what the tests of Torch-TensorRT need beside the PyTorch that Torch-TensorRT was built for: an environment in
# .venv-compat, and a build folder in build/compat.
set -euo pipefail
cd "$(dirname "$0")/.."
torch=$(sed -n 's/^compat = \["torch-tensorrt==\([0-9.]*\)".*/\1/p' pyproject.toml)
tools/setup.sh .venv-compat "$torch"
test -f build/compat/build.ninja || cmake --preset compat --log-level=WARNING
cmake --build --preset compat
