#!/usr/bin/env bash
# Runs the kit's GPU tests and benchmarks with the python3 (and its PyTorch) of this machine.
# usage: run.sh RESULTS_FOLDER [PART...]   parts: export tests smid graphs pipeline own_stream mutants overhead compare neighbour memory; default: all these
# and lanes export-gates gates gate_kinds gate_mix moves static_cache gates_stress planning audit serving ray_serve edges peers (HOLOSCAN, XSCHED: folders, where Python and the system lack them; PROFILE: of such a device; NO_EAGER; SPIN_MS); and tensorrt tensorrt_cost, where the kit was made with Torch-TensorRT's runtime (see tools/gpu-kit.sh).
set -uo pipefail
kit=$(cd "$(dirname "$0")" && pwd)
results=${1:?usage: run.sh RESULTS_FOLDER [PART...]}
shift
mkdir -p "$results"
results=$(cd "$results" && pwd)
parts=${*:-export tests smid graphs pipeline own_stream mutants overhead compare neighbour memory}

torch=$(python3 -c 'import os, torch; print(os.path.dirname(torch.__file__))')
libraries="$kit/python/greenlane/lib:$torch/lib:$torch/../nvidia/cu13/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export PYTHONPATH="$kit/python${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 PYTHONFAULTHANDLER=1
robot=$kit/examples/robot
models=$kit/tests/gpu/build
gated=$kit/bench/gates/build
status=0
# Preloads libstdc++: a compiler may link it into packages statically, and Python, which is not linked with it,
# must have it where the packages see it.
in_python() { limited "$1" env LD_PRELOAD=libstdc++.so.6 python3 "${@:2}"; }
with_tensorrt() { GREENLANE_TENSORRT_RUNTIME=$kit/tensorrt in_python "$@"; }
# Sets `configs` to the pipelines named in MIXES, or to the given ones.
take_mixes() {
  configs=()
  for mix in ${MIXES:-"$@"}; do configs+=("$robot/$mix.toml"); done
}
# Limits a command, because a wait on the GPU that nobody ends would last for ever.
limited() { timeout -s KILL "$@" || { echo "FAILED ($?): ${*:2}"; status=1; }; }

for part in $parts; do
  echo "== $part"
  case $part in
    export-tests) in_python 200 "$kit/tests/gpu/export_models.py" "$models" ;;
    export)
      in_python 400 "$robot/export.py" --neighbour
      in_python 200 "$kit/tests/gpu/export_models.py" "$models" ;;
    tests) in_python 500 -m pytest -q --tb=short -p no:cacheprovider -o pythonpath="$kit/python" "$kit/tests/gpu" --junitxml="$results/gpu-tests.xml" ;;
    smid) in_python 120 "$kit/tests/gpu/smid_report.py" "$models" "$results/smid.json" ;;
    graphs) in_python 300 "$kit/tests/gpu/graphs_report.py" "$models" "$results/graphs.json" ;;
    pipeline) limited 400 env LD_LIBRARY_PATH="$libraries" python3 "$kit/bench/graphs/pipeline.py" "$kit/bin/greenlane" "$results/pipeline.json" ;;
    lanes) limited 300 env LD_LIBRARY_PATH="$libraries" python3 "$kit/bench/lanes/measure.py" "$kit/bin/greenlane" "$robot/build" "$results/lanes.json" ;;
    export-gates) in_python 300 "$kit/bench/gates/export.py" "$gated" && cp "$robot"/build/policy.* "$gated/" ;;
    gate_kinds)
      in_python 300 "$kit/bench/gates/export.py" "$gated" vit large && cp "$robot"/build/policy.* "$gated/"
      runner=in_python
      [[ -d $kit/tensorrt ]] && runner=with_tensorrt
      $runner 400 "$kit/bench/gates/kinds.py" "$gated" "$results/gate-kinds.json" ;;
    gate_mix)
      in_python 300 "$kit/bench/gates/export.py" "$gated" vit large && cp "$robot"/build/policy.* "$gated/"
      in_python 100 "$kit/bench/gates/device_time.py" "$gated" vit policy
      limited 500 env LD_LIBRARY_PATH="$libraries" python3 "$kit/bench/gates/mix.py" "$kit/bin/greenlane" "$gated" "$results/gate-mix.json" ;;
    moves) in_python 200 "$kit/bench/graphs/moves.py" "$gated" "$results/graph-moves.json" ;;
    static_cache) in_python 200 "$kit/bench/graphs/static_cache.py" "$results/static-cache.json" ;;
    gates) limited 500 env LD_LIBRARY_PATH="$libraries" python3 "$kit/bench/gates/measure.py" "$kit/bin/greenlane" "$gated" "$results/gates.json" ;;
    planning)
      take_mixes h200 h200-tight h200-neighbour h200-memory
      limited 900 env LD_LIBRARY_PATH="$libraries" python3 "$kit/bench/planning/measure.py" "$kit/bin/greenlane" "$kit/bin/splits" "$results" "${configs[@]}" ;;
    peers)
      take_mixes h200 h200-neighbour h200-memory
      limited 590 env LD_LIBRARY_PATH="$libraries" LD_PRELOAD=libstdc++.so.6 python3 "$kit/bench/peers/race.py" --greenlane "$kit/bin/greenlane" \
        --driver "$kit/bench/peers/libpeers_driver.so" --seconds "${SECONDS_TO_RUN:-3}" --spin-ms "${SPIN_MS:-0.1}" --out "$results/peers.json" \
        ${HOLOSCAN:+--holoscan "$HOLOSCAN"} ${PROFILE:+--profile "$PROFILE"} ${NO_EAGER:+--no-eager} ${XSCHED:+--xsched "$XSCHED"} --configs "${configs[@]}" | tee "$results/peers.txt" ;;
    gates_stress) limited 450 env LD_LIBRARY_PATH="$libraries" "$kit/bin/gates_stress" "$results/gates-stress.json" "${PASSES:-1000000}" "${SECONDS_TO_RUN:-10}" ;;
    audit) in_python 200 "$kit/bench/audit/overhead.py" "$models" "$results/audit.json" ;;
    own_stream)
      limited 60 env LD_LIBRARY_PATH="$libraries" "$kit/bin/own_stream" "$models/chain.pt2" "$models/chain.inputs.pt" | tee "$results/own-stream.txt" ;;
    tensorrt) with_tensorrt 500 -m pytest -q --tb=short -p no:cacheprovider -o pythonpath="$kit/python" "$kit"/tests/gpu/test_tensorrt_*.py --junitxml="$results/tensorrt-tests.xml" ;;
    tensorrt_cost) with_tensorrt 400 "$kit/tests/gpu/tensorrt_cost.py" "$results/tensorrt-cost.json" ;;
    edges)
      in_python 300 "$kit/examples/robot_live/export_live.py"
      in_python 100 "$kit/bench/edges/export_picture.py" "$kit/examples/robot_live/build"
      limited 200 env LD_LIBRARY_PATH="$libraries" "$kit/bin/edge_cost" "$kit/examples/robot_live/build" > "$results/edge-cost.json"
      in_python 100 "$kit/bench/edges/timestamps.py" "$results/edge-times.json"
      if [[ $(nvidia-smi -L | wc -l) -gt 1 ]]; then in_python 100 "$kit/bench/edges/two_gpus.py" "$results/two-gpus-edge.json"; fi ;;
    serving)
      for engine in policy vision; do
        limited 100 env LD_LIBRARY_PATH="$libraries" "$kit/bin/serving_cost" "$robot/h200.toml" "$engine" > "$results/serving-$engine.json"
      done
      in_python 200 "$kit/bench/serving/python_threads.py" "$results/serving-python.json"
      in_python 100 "$kit/bench/serving/metrics_cost.py" "$robot/build" "$results/metrics-cost.json"
      in_python 100 "$kit/bench/serving/faults.py" "$robot/build" "$results/serving-faults.json" ;;
    ray_serve)  # needs Ray beside this Python's PyTorch
      served=$kit/bench/serving/build
      in_python 300 "$kit/bench/serving/export_served.py" "$served" && cp "$robot"/build/policy.* "$served/"
      served_models=(policy@20:20 detector@15:50 embedder@15 reranker@15 captions)
      in_python 200 "$kit/bench/serving/request_parts.py" "$served" "$results/request-parts.json" --gpu --deadline-ms 100 "${served_models[@]}"
      in_python 400 "$kit/bench/serving/ray_serve.py" "$served" "$results/ray-serve.json" --gpu --haproxy --deadline-ms 100 --seconds "${SECONDS_TO_RUN:-30}" "${served_models[@]}" ;;
    mutants)
      runner=in_python
      [[ -d $kit/tensorrt ]] && runner=with_tensorrt
      $runner 500 "$kit/tests/gpu/mutants_report.py" "$kit" "$results/mutants.json" ;;
    overhead)
      limited 120 env LD_LIBRARY_PATH="$libraries" "$kit/bin/bound_call" "$models/affine.pt2" "$models/affine.inputs.pt" > "$results/overhead.json"
      in_python 200 "$kit/bench/overhead/bound_call.py" "$models/affine.pt2" "$models/affine.inputs.pt" > "$results/overhead-python.json"
      cat "$results/overhead.json" "$results/overhead-python.json" ;;
    compare) limited 280 env LD_LIBRARY_PATH="$libraries" "$kit/bin/greenlane" run "$robot/h200.toml" --mode compare --check --seconds "${SECONDS_TO_RUN:-20}" --json "$results/compare.json" ;;
    neighbour) limited 280 env LD_LIBRARY_PATH="$libraries" "$kit/bin/greenlane" run "$robot/h200-neighbour.toml" --mode compare --check --seconds "${SECONDS_TO_RUN:-20}" --json "$results/neighbour.json" ;;
    memory) limited 120 env LD_LIBRARY_PATH="$libraries" "$kit/bin/greenlane" run "$robot/h200.toml" --seconds 60 --json "$results/memory.json" ;;
    *) echo "unknown part $part"; status=2 ;;
  esac
done
exit $status
