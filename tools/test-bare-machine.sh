#!/usr/bin/env bash
# Installs a wheel of dist/ on a bare Debian or Ubuntu, made with debootstrap: Python, and neither a compiler nor a
# library beyond it. Then runs there what the README shows.
# usage: test-bare-machine.sh SUITE TORCH_VERSION   (bookworm, trixie, jammy ...; as root; needs debootstrap)
# The example's packages are those of .venv's PyTorch. For another TORCH_VERSION only modules run.
set -euo pipefail
cd "$(dirname "$0")/.."
suite=$1 version=$2
folder=$(mktemp -d)
root=$folder/root
clean_up() {
  ! mountpoint -q "$root/proc" || umount "$root/proc" || { echo "$root/proc stays mounted: unmount it, and remove $folder" >&2; return; }
  rm -rf --one-file-system "$folder"
}
trap clean_up EXIT

options=()
mirror=http://deb.debian.org/debian
if [[ $suite == jammy || $suite == noble ]]; then
  mirror=http://archive.ubuntu.com/ubuntu
  [[ -e /usr/share/keyrings/ubuntu-archive-keyring.gpg ]] || options+=(--no-check-gpg)
  options+=(--components=main,universe)
fi
debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates "${options[@]}" "$suite" "$root" "$mirror" > "$folder/log" ||
  { tail "$folder/log" >&2; exit 1; }
mount -t proc proc "$root/proc"
cp /etc/resolv.conf "$root/etc/"
cp -r /etc/ssl/certs "$root/etc/ssl/" # a proxy's certificate, where there is one

mkdir "$root/work"
cp dist/greenlane-*.whl tests/install/use_wheel.py "$root/work"
cp -r examples/robot examples/serve_plan "$root/work"
inside() { chroot "$root" /usr/bin/env -i HOME=/root PATH=/work/venv/bin:/usr/bin:/bin PIP_CERT=/etc/ssl/certs/ca-certificates.crt sh -ec "cd /work; $1"; }
inside 'for each in cc c++ gcc; do if command -v $each; then echo "a compiler is here" >&2; exit 1; fi; done'
inside "python3 -m venv venv && pip install --quiet --disable-pip-version-check --find-links . greenlane 'torch==$version' numpy"
inside 'python use_wheel.py && greenlane --version && greenlane devices'
if [[ $(.venv/bin/python -c 'import torch; print(torch.__version__.partition("+")[0])') == "$version" ]]; then
  inside 'greenlane plan robot/robot.toml --seconds 1 --out plan.json && greenlane run robot/robot.toml --plan plan.json --seconds 2 --check'
  inside 'python serve_plan/serve_plan.py robot/robot.toml plan.json robot/build/policy.inputs.pt'
fi
echo "the wheel for PyTorch $version works on $suite with $(inside 'python -V')"
