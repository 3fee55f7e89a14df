#!/usr/bin/env bash
# Formatting, clang-tidy, ruff, mypy.
# usage: lint.sh [--all]. clang-tidy analyses the sources that a change affects; with --all, every source.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin

mapfile -t sources < <(git ls-files -co --exclude-standard '*.cpp' '*.hpp')
echo "lint: clang-format (${#sources[@]} files)"
"$bin/clang-format" --dry-run --Werror "${sources[@]}"

echo "lint: ruff and mypy"
"$bin/ruff" check --quiet .
"$bin/ruff" format --quiet --check .
"$bin/mypy" python tools examples/robot
"$bin/mypy" bench/peers
MYPYPATH=python:examples/robot "$bin/mypy" examples/robot_live
"$bin/mypy" tests

# A file whose content and settings were analysed before is not analysed again, because PyTorch's headers cost
# clang-tidy half a minute each.
cache=build/lint
mkdir -p "$cache"
# The build compiles several sources as one. Here each has a command of its own.
cmake --preset release -B "$cache/cmake" -DCMAKE_UNITY_BUILD=OFF --log-level=WARNING > /dev/null
# The fuzzers' program compiles sources of the libraries again: clang-tidy would analyse those twice. It cannot read
# GCC's precompiled headers; each source includes what it needs.
.venv/bin/python - > "$cache/compile_commands.json" <<'END'
import json, re
commands = [one for one in json.load(open("build/lint/cmake/compile_commands.json")) if "greenlane_fuzz.dir" not in one["command"]]
for one in commands:
    one["command"] = re.sub(r" -Winvalid-pch -include \S+/cmake_pch\.hxx", "", one["command"])
print(json.dumps(commands, indent=1))
END
settings=$(cat .clang-tidy pyproject.toml "$cache/compile_commands.json" $(git ls-files -co --exclude-standard '*.hpp') | sha256sum | cut -d' ' -f1)
tidy() {
  local key
  key=$(sha256sum "$1" | cut -c1-32)-$(basename "$1")-${2:0:16}
  [[ -f $3/$key ]] && return 0
  .venv/bin/clang-tidy --quiet -p "$3" --extra-arg=-Wno-deprecated-declarations "$1" 2> >(grep -v 'warnings generated\|Suppressed\|Use -header-filter' >&2) && touch "$3/$key"
}
export -f tidy
mapfile -t units < <(git ls-files -co --exclude-standard 'src/*.cpp' 'bindings/*.cpp' 'examples/*.cpp' 'bench/*.cpp')
chosen=$(.venv/bin/python tools/changed_units.py "$@" "${units[@]}")
mapfile -t units <<< "$chosen"
[[ -n $chosen ]] || units=()
((${#units[@]} == 0)) || printf '%s\n' "${units[@]}" | xargs -P 2 -I{} bash -c 'tidy "$1" "$2" "$3"' _ {} "$settings" "$cache"
echo "lint: clean"
