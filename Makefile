# Everyday commands; CONTRIBUTING.md says more. Each works alone on a fresh Debian 12 or Ubuntu 24.04 machine.
PYTHON_VENV := .venv
PY := $(PYTHON_VENV)/bin/python
SECONDS_TO_RUN ?= 10

.DEFAULT_GOAL := help
.PHONY: help setup program build run examples test test-cpp test-python compat test-oldest test-wheels wheels sanitize lint lint-all format docs gpu-kit clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

setup:  ## Install what is missing: Debian packages, and PyTorch in .venv
	@tools/setup.sh

program: setup  ## Build the program, its libraries and the Python package into build/
	@test -f build/build.ninja || cmake --preset release --log-level=WARNING
	@cmake --build --preset release --target greenlane_cli greenlane_bindings

build: program  ## Build all, tests and benchmarks too
	@cmake --build --preset release

examples: setup  ## Compile the example models for this machine's device
	@$(PY) examples/robot/export.py
	@$(PY) examples/robot_live/export_live.py

run: setup  ## Build the program and run the example pipeline (SECONDS_TO_RUN=10)
	@test -f build/build.ninja || cmake --preset release --log-level=WARNING
	@cmake --build --preset release --target greenlane_cli
	@$(PY) examples/robot/export.py
	build/bin/greenlane run examples/robot/robot.toml --seconds $(SECONDS_TO_RUN) --check

test: test-cpp test-python test-oldest  ## Run all tests

test-cpp: build examples
	ctest --preset release -j 2

test-python: build compat examples
	@tools/test-python.sh

compat: setup  ## Build what the tests of Torch-TensorRT need beside the PyTorch that it was built for
	@tools/compat.sh

test-oldest: setup  ## Build the wheel for the oldest supported PyTorch, and run a pipeline with it
	@tools/wheels.sh 2.11.0
	@tools/test-wheel.sh 2.11.0

test-wheels: wheels examples  ## Install wheels on bare Debian 12 and 13 (needs root and debootstrap)
	@tools/test-bare-machine.sh bookworm 2.15.0
	@tools/test-bare-machine.sh trixie 2.15.0

wheels: setup  ## Build a wheel for each supported PyTorch into dist/
	@tools/wheels.sh

sanitize: setup  ## Run the core tests under AddressSanitizer, UBSan and ThreadSanitizer
	@for preset in asan tsan; do \
	  { test -f build/$$preset/build.ninja || cmake --preset $$preset --log-level=WARNING; } && cmake --build --preset $$preset && ctest --preset $$preset -j 2 || exit 1; \
	done

lint: build  ## Check formatting, ruff, mypy, and clang-tidy on what the change affects
	@tools/lint.sh

lint-all: build  ## The same, with clang-tidy on all sources
	@tools/lint.sh --all

format: setup  ## Format all C++ and Python sources
	@git ls-files -co --exclude-standard '*.cpp' '*.hpp' | xargs $(PYTHON_VENV)/bin/clang-format -i
	@$(PYTHON_VENV)/bin/ruff check --quiet --fix-only . && $(PYTHON_VENV)/bin/ruff format --quiet .

docs: program  ## Build the site of guides and references into build/docs/html
	@tools/setup.sh --docs
	@tools/docs.sh

gpu-kit:  ## Bundle GPU tests and benchmarks for a machine with a GPU and PyTorch 2.11
	@tools/gpu-kit.sh

clean:  ## Remove what was built; .venv stays
	rm -rf build build-wheel* dist examples/robot/build examples/robot_live/build
