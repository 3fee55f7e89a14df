#!/usr/bin/env bash
# Installs missing Debian packages (tools/debian-packages.txt) and a virtual environment.
# usage: setup.sh [--docs] [VENV [TORCH_VERSION]]. A second call finds everything there and does nothing.
# --docs: also what builds the site.
set -euo pipefail
cd "$(dirname "$0")/.."
docs=
[[ ${1:-} != --docs ]] || { docs=1; shift; }
venv=${1:-.venv}
torch=${2:-2.15.0}
exec 9< tools/setup.sh && flock 9  # two calls at once would fill one environment twice

mapfile -t packages < tools/debian-packages.txt
# The browser is for the test that opens report pages. Ubuntu's browsers are snaps: that test takes an installed one, or
# is skipped.
grep -q '^ID=ubuntu$' /etc/os-release || packages+=(chromium-headless-shell)
[[ -z $docs ]] || packages+=(doxygen)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' || missing+=("$package")
done
if ((${#missing[@]})); then
  as_root=()
  if ((EUID)); then
    as_root=(sudo)
    # Tells a user who may not use sudo so here, instead of sudo. If somebody can type, sudo may ask for the password.
    if ! command -v sudo >/dev/null || { ! sudo -n true 2>/dev/null && [[ ! -t 0 ]]; }; then
      echo "setup: these packages are missing, and to install them takes root or sudo without a password: ${missing[*]}" >&2
      echo "setup: let an administrator run: apt-get install --no-install-recommends ${missing[*]}" >&2
      exit 1
    fi
  fi
  echo "setup: installing ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

# The packages of the environment. They are checked again when the stamp's PyTorch, Python or pyproject.toml changes.
python=${PYTHON:-python3}
wanted="$torch $("$python" -V) $(sha256sum pyproject.toml | cut -d' ' -f1)"
stamp="$venv/.greenlane-setup"
docs_stamp="$venv/.greenlane-setup-docs"
is_filled() { [[ -f $1 && $(<"$1") == "$wanted" ]]; }
require_writable() {
  if [[ -e $venv && ! -w $venv ]]; then
    echo "setup: $venv has to be filled anew, and is another user's: remove it, or work in a clone of your own" >&2
    exit 1
  fi
}
# The packages are named one by one, because an extra of this project would build the project.
packages_of() {
  "$venv/bin/python" - "$@" <<'EOF'
import re, sys
text = open("pyproject.toml").read()
for extra in sys.argv[1:]:
    print("\n".join(re.findall(r'"([^"]+)"', re.search(rf"^{extra} = \[(.*)\]$", text, re.M)[1])))
EOF
}
pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check)
if ! is_filled "$stamp"; then
  require_writable
  echo "setup: filling $venv (PyTorch $torch)"
  "$python" -m venv "$venv"
  extras=(dev examples report)
  [[ $venv != .venv ]] || extras+=(serve-dev)  # greenlane.serve is tested in this environment alone
  mapfile -t packages < <(packages_of "${extras[@]}")
  "${pip[@]}" "torch==$torch" numpy "cuda-toolkit[crt]" "${packages[@]}"
  mapfile -t packages < <(packages_of compat)
  # Installed only beside the PyTorch that it was built for, and in a folder of its own, because it cannot be imported
  # without TensorRT.
  if [[ ${packages[0]} == "torch-tensorrt==$torch" ]]; then
    "${pip[@]}" --no-deps --upgrade --target "$venv/compat" "${packages[@]}"
    mapfile -t packages < <(packages_of compat-rtx)
    "${pip[@]}" --no-deps --upgrade --target "$venv/compat-rtx" "${packages[@]}"
  fi
  echo "$wanted" > "$stamp"
fi
# Servers for tests. They are unpacked and not installed, because their packages start services.
unpack() {
  local package=$1 folder=$venv/$1
  [[ ! -x $folder/$2 ]] || return 0
  require_writable
  mkdir -p "$folder"
  (cd "$folder" && apt-get download -qq -o APT::Sandbox::User= "$package" && dpkg -x "$package"_*.deb . && rm "$package"_*.deb) ||
    echo "setup: $package was not downloaded, and its test will be skipped (apt-get update may help)" >&2
}
unpack prometheus usr/bin/prometheus
[[ $venv != .venv ]] || unpack nginx usr/sbin/nginx
if [[ -n $docs ]] && ! is_filled "$docs_stamp"; then
  require_writable
  mapfile -t packages < <(packages_of docs)
  "${pip[@]}" "${packages[@]}"
  echo "$wanted" > "$docs_stamp"
fi
