#!/usr/bin/env bash
# Builds everything against the oldest supported PyTorch and lays it out in build/gpu-kit/kit, from where it runs on a
# machine with a GPU and that PyTorch, without compiling: kit/run.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
tools/setup.sh .venv-gpu-kit 2.11.0
test -f build/gpu-kit/build.ninja || cmake --preset gpu-kit --log-level=WARNING -DGREENLANE_PYTHON="$PWD/.venv-gpu-kit/bin/python" -DGREENLANE_TESTS=OFF
cmake --build --preset gpu-kit

kit=build/gpu-kit/kit
rm -rf "$kit"
mkdir -p "$kit/python" "$kit/bin" "$kit/tests" "$kit/examples"
cp -r python/greenlane "$kit/python/"
mkdir -p "$kit/python/greenlane/lib"
cp build/gpu-kit/lib/libgreenlane_*.so "$kit/python/greenlane/lib/"
cp build/gpu-kit/bin/* "$kit/bin/"
ln -s python/greenlane/lib "$kit/lib"  # where the programs look
cp -r tests/gpu "$kit/tests/"
cp -r examples/robot "$kit/examples/" && rm -rf "$kit/examples/robot/build"
cp tools/gpu-kit-run.sh "$kit/run.sh"
find "$kit" -name __pycache__ -prune -exec rm -rf {} +
strip --strip-unneeded "$kit"/bin/* "$kit"/python/greenlane/lib/*
echo "gpu-kit: $kit ($(du -sh "$kit" | cut -f1))"
