#!/bin/sh
# The command of an installed wheel: starts the program, which is in the package's folder beside its libraries.
here=$(dirname "$(readlink -f "$0")")
for package in "$here"/../lib*/python3*/*-packages/greenlane "$here"/../greenlane; do
  if [ -x "$package/bin/greenlane" ]; then exec "$package/bin/greenlane" "$@"; fi
done
echo "greenlane: the Python package is not beside $here, where this command was installed with it: install greenlane again" >&2
exit 1
