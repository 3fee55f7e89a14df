#!/usr/bin/env bash
# Builds everything against the oldest supported PyTorch and lays it out in build/gpu-kit/kit. From there kit/run.sh
# runs it without compiling, on a machine with a GPU and that PyTorch. GREENLANE_TENSORRT_RUNTIME may name a folder with
# Torch-TensorRT's runtime, built for that PyTorch, and the double of TensorRT's (tests/gpu/tensorrt_double): the kit
# takes them along for its parts `tensorrt` and `tensorrt_cost`.
set -euo pipefail
cd "$(dirname "$0")/.."
tools/setup.sh .venv-gpu-kit 2.11.0
test -f build/gpu-kit/build.ninja || cmake --preset gpu-kit --log-level=WARNING -DGREENLANE_PYTHON="$PWD/.venv-gpu-kit/bin/python" -DGREENLANE_TESTS=OFF
cmake --build --preset gpu-kit

# Builds the example programs as another project does: from an installed package.
prefix=build/gpu-kit/install
consumer=build/gpu-kit/consumer
cmake --install build/gpu-kit --prefix "$prefix" > /dev/null
cmake -S tests/install/consumer -B "$consumer" -G Ninja --log-level=WARNING -DCMAKE_PREFIX_PATH="$PWD/$prefix" -DEXAMPLES="$PWD/examples"
cmake --build "$consumer"

kit=build/gpu-kit/kit
rm -rf "$kit"
mkdir -p "$kit/python" "$kit/bin" "$kit/tests" "$kit/examples"
cp -r python/greenlane "$kit/python/"
mkdir -p "$kit/python/greenlane/lib"
cp build/gpu-kit/lib/*greenlane_*.so "$kit/python/greenlane/lib/"
# The library of a Debian package that greenlane's ask for.
ldd build/gpu-kit/lib/libgreenlane_runtime.so | awk '/prometheus/ { print $3 }' | xargs cp -Lt "$kit/python/greenlane/lib/"
cp build/gpu-kit/bin/* "$kit/bin/"
cp "$consumer/own_stream" "$kit/bin/"
.venv-gpu-kit/bin/python tools/mutants.py build/gpu-kit "$kit/mutants"
ln -s python/greenlane/lib "$kit/lib"  # where the programs look
cp -r tests/gpu "$kit/tests/"
mkdir "$kit/bench" && cp -r bench/audit bench/edges bench/graphs bench/gates bench/lanes bench/overhead bench/peers bench/planning bench/serving "$kit/bench/" && rm "$kit"/bench/*/*.[ch]pp
cp build/gpu-kit/lib/libpeers_driver.so "$kit/bench/peers/"
cp -r examples/robot examples/robot_live "$kit/examples/" && rm -rf "$kit"/examples/*/build
cp tools/gpu-kit-run.sh "$kit/run.sh"
if [[ -n ${GREENLANE_TENSORRT_RUNTIME:-} ]]; then
  mkdir "$kit/tensorrt"
  cp "$GREENLANE_TENSORRT_RUNTIME"/*.so* "$kit/tensorrt/"
fi
find "$kit" -name __pycache__ -prune -exec rm -rf {} +
strip --strip-unneeded "$kit"/bin/* "$kit"/python/greenlane/lib/* "$kit"/bench/peers/*.so
echo "gpu-kit: $kit ($(du -sh "$kit" | cut -f1))"
