#!/usr/bin/env bash
# Builds the site into build/docs/html: guides, Python reference, C++ reference. Warnings are errors.
# Everything is read anew, because a warning appears only when its file is read.
set -euo pipefail
cd "$(dirname "$0")/.."
rm -rf build/docs
mkdir -p build/docs
doxygen docs/site/Doxyfile
.venv/bin/sphinx-build --fail-on-warning --keep-going --quiet -c docs/site -d build/docs/doctrees . build/docs/html
cp -r docs/schemas build/docs/html/docs/  # editors name a schema by its URL
echo "docs: build/docs/html/index.html"
