# make demo · make lab · make test · make test-all · make coverage · make check
# make docs · make docs-outputs · make bench · make lock · make wheel
#
# Everything is set up by the targets themselves: a Python 3.11, git and make are all they need.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/python -m uv
DEMO := demo
DOCS := $(VENV)/docs
# A local folder of wheels, when pip was told of one; uv does not read that setting by itself.
FIND_LINKS := $(if $(PIP_FIND_LINKS),--find-links "$(PIP_FIND_LINKS)")

# torch and its CUDA parts differ from machine to machine: pinned here, left out of the lock's hashes.
TORCH := torch==2.13.0
UNHASHED := torch triton cuda-bindings cuda-pathfinder cuda-toolkit $(addprefix nvidia-,cublas cuda-cupti \
	cuda-nvrtc cuda-runtime cudnn-cu13 cufft cufile curand cusolver cusparse cusparselt-cu13 nccl-cu13 \
	nvjitlink nvshmem-cu13 nvtx)

# In a container one is root, which Jupyter wants said.
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

# Nothing phones home while we build, test or demonstrate.
export DO_NOT_TRACK := 1
export DVC_NO_ANALYTICS := true
export MLFLOW_DISABLE_TELEMETRY := true
# Cached bytecode is worth seconds for each of the kernels that we start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo lab test test-all coverage check docs docs-outputs bench env chromium postgres lock wheel format clean

demo: env
	@$(BIN)/python notebooks/demo.py $(DEMO)

lab: env
	@test -f $(DEMO)/mlops.toml || $(BIN)/python notebooks/demo.py $(DEMO) --prepare
	cd $(DEMO) && $(abspath $(BIN))/jupyter lab $(AS_ROOT) 00-tour.ipynb

test: env chromium postgres panel-test
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile

test-all: env chromium postgres panel-test
	$(BIN)/python -m pytest -n 2 --dist loadfile --trials table

# Not a part of `make test`: on Python 3.11 tracing costs 40 % more CPU time (unit tests 19 → 27 s, those of
# integration/data and integration/drift 75 → 109 s).
coverage: env chromium postgres
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile --cov --cov-report=
	@echo "coverage of the package in the tests' own processes: $$($(BIN)/python -m coverage report --format=total) %"

check: env panel-check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest --quiet tests/unit/test_rooms.py tests/unit/test_unseen_imports.py tests/unit/magics/test_verbs.py

format: env
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/python -m jupyter_mlops.server.types

# A small environment of its own: the pages are made from the table of verbs, which needs no engine.
docs: $(DOCS)/installed
	@$(DOCS)/bin/python -m sphinx --fresh-env --fail-on-warning --keep-going --quiet docs docs/_build/html
	@echo "docs/_build/html/index.html"

# Runs the examples of the noun pages again and writes what they print into the pages.
docs-outputs: env
	$(BIN)/python docs/outputs.py

$(DOCS)/installed: docs/requirements.lock
	@test -x $(DOCS)/bin/python || $(PYTHON) -m venv $(DOCS)
	@$(DOCS)/bin/python -m pip install -qq --require-hashes --requirement docs/requirements.lock
	@touch $@

bench: env
	$(BIN)/python tests/benchmarks/bench.py

env: $(VENV)/installed panel

include labextension/build.mk

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: requirements.lock pyproject.toml | $(BIN)/python
	@$(MAKE) --no-print-directory panel-unlink
	@test -x $(BIN)/uv || $(BIN)/python -m pip install -qq uv
	$(UV) pip install --quiet --require-hashes --requirement requirements.lock
	$(UV) pip install --quiet $(TORCH) $(FIND_LINKS)
	SKIP_JUPYTER_BUILDER=1 $(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

chromium:
	@command -v chromium >/dev/null || { \
		echo "installing chromium for the browser tests"; \
		SUDO=$$(test "$$(id -u)" = 0 || echo sudo); \
		$$SUDO apt-get update -qq && $$SUDO apt-get install -y -qq --no-install-recommends chromium >/dev/null; }

# The package by itself starts a database for everybody; the tests start their own.
postgres:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || { \
		echo "installing PostgreSQL for the tests of a team's store"; \
		SUDO=$$(test "$$(id -u)" = 0 || echo sudo); \
		$$SUDO apt-get update -qq && $$SUDO apt-get install -y -qq postgresql-common >/dev/null && \
		$$SUDO sed -i 's/^#*create_main_cluster.*/create_main_cluster = false/' \
			/etc/postgresql-common/createcluster.conf && \
		$$SUDO apt-get install -y -qq --no-install-recommends postgresql >/dev/null; }

lock: | $(BIN)/python
	@test -x $(BIN)/uv || $(BIN)/python -m pip install -qq uv
	echo "$(TORCH)" > $(VENV)/constraints.txt
	SKIP_JUPYTER_BUILDER=1 $(UV) pip compile --quiet --universal --python-version 3.11 --extra dev \
		--generate-hashes --no-header --no-annotate --constraint $(VENV)/constraints.txt $(FIND_LINKS) \
		$(addprefix --no-emit-package ,$(UNHASHED)) pyproject.toml --output-file requirements.lock
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["docs"], sep="\n")' \
		| $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate - --output-file docs/requirements.lock

wheel: env
	$(UV) build --quiet --wheel --out-dir dist

clean:
	rm -rf $(VENV) $(DEMO) dist build docs/_build jupyter_mlops/labextension labextension/node_modules labextension/lib
