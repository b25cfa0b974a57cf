# `make quickstart` and `make test` are the two to know; both make their own environment.
#   PYTHON  the interpreter to make it with (3.11 or newer)      VENV  where the environment goes
#   DATA    quickstart: a folder with the OFA MobileNetV3 files   PYTEST_FLAGS  for pytest; by default its tests share the cores
CANDIDATES := python3 python3.13 python3.12 python3.11
IS_RECENT := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in $(CANDIDATES); do $$p -c '$(IS_RECENT)' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
PYTEST_FLAGS ?= --numprocesses=auto --maxprocesses=4 --dist=worksteal

DATA ?=
OUT ?= runs/quickstart
# A second quickstart goes on where the first one ended; the other folder of a different one is given by OUT.
QUICKSTART := $(BIN)/python -m experiments.run $(if $(wildcard $(OUT)/run.json),--resume)

# One budget as a file that runs, timed beside what its device table predicts. Status 3: slower than the table's machine.
TO_FILE = { $(BIN)/python -c 'import onnx, onnxruntime' 2>/dev/null \
  || { echo "no network file without ONNX: pip install 'nagjax[deploy]'"; exit 0; }; } && \
  { $(BIN)/python -m experiments.deploy --supernet="$$folder/supernet" --checkpoint="$(OUT)" --resume \
    --device="$$folder/onnxruntime.json" --budgets_ms=0.06 --formats=onnx --out="$(OUT)/deployed" || [ $$? = 3 ]; }

.PHONY: help env quickstart style types test test-all docs format clean
help:
	@echo "make quickstart [DATA=folder] | test | test-all | docs | format | clean"

env: $(VENV)/.complete

$(VENV)/.complete: pyproject.toml
	@test -n "$(PYTHON)" && $(PYTHON) -c '$(IS_RECENT)' || { echo "nagjax needs Python 3.11 or newer\
	 and found none among '$(or $(PYTHON),$(CANDIDATES))': give one with PYTHON=path/to/python"; exit 1; }
	@echo "Installing into $(VENV) (about a minute, 1.2 GB)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install --editable '.[dev,parquet,bench]'
	@touch $@

# Without DATA: the data set that travels with the package, if it is there; it says so if it is not.
quickstart: env
	@if [ -n "$(DATA)" ]; then \
	  $(QUICKSTART) --flagfile=experiments/flags/note10.flags --data_dir="$(DATA)" --out="$(OUT)"; \
	else \
	  folder=$$($(BIN)/python -m experiments.embedded) && \
	  $(QUICKSTART) --flagfile="$$folder/default.flags" --data_dir="$$folder" --out="$(OUT)" && $(TO_FILE); \
	fi

style: env
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: env
	@$(BIN)/mypy

# The import rule and the smoke test of the built wheel are tests like the others: test_imports.py, test_wheel.py.
# mypy needs one core for a minute, so it runs beside the tests, which share what is left.
test: style
	@$(BIN)/mypy & types=$$!; $(BIN)/python -m pytest $(PYTEST_FLAGS); tests=$$?; wait $$types && exit $$tests

test-all:
	@set -e; for v in 3.11 3.12 3.13; do p=python$$v; \
	  $$p -c '' 2>/dev/null || p=$$(PYENV_VERSION=$$v pyenv which python); \
	  $(MAKE) --no-print-directory test PYTHON=$$p VENV=.venv-$$v; \
	done

# Material for MkDocs prints a paragraph about versions to come, which this variable keeps quiet.
docs: env
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

format: env
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:
	rm -rf .venv .venv-3.* build dist site .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
