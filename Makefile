# make demo   a law of nature from a table, in a few minutes        make test   every test
# make check  format, lint and types                                make clean  remove what these targets made
#
# Variables: PYTHON=python3.12 picks the interpreter, VENV=path the environment, DEMO=path the folder of the demo.
# CONSTRAINTS= installs the newest versions instead of the tested pins; with VENV_FLAGS=--system-site-packages as well,
# a torch that is already installed (a GPU build, say) is used instead of a second one.

PYTHON ?= python3
VENV ?= .venv
VENV_FLAGS ?=
CONSTRAINTS ?= constraints.txt
DEMO ?= demo
# The second demo table: a law that the direct checks cannot read off, so that a network has to find it.
DEMO_LAW ?= firas
DEMO_FLAGS ?= --seed 0

BIN := $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --disable-pip-version-check --quiet $(if $(CONSTRAINTS),-c $(CONSTRAINTS))
# One thread a process: small problems are faster that way, and two test processes do not fight for cores.
THREADS := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
WORKERS ?= 2
PYTEST_FLAGS ?=

.PHONY: demo test check format clean
.DELETE_ON_ERROR:

demo: $(VENV)/.ready-demo
	@mkdir -p $(DEMO)
	@echo "== The eight planets: distance from the sun a, orbital period P =="
	$(BIN)/kansym datasets write planets -o $(DEMO)/planets.csv
	$(BIN)/kansym fit $(DEMO)/planets.csv $(DEMO_FLAGS) --out $(DEMO)/planets
	@echo "-- as LaTeX --"
	$(BIN)/kansym export $(DEMO)/planets --format latex
	@echo "== $(DEMO_LAW): a law that needs a network =="
	$(BIN)/kansym datasets write $(DEMO_LAW) -o $(DEMO)/$(DEMO_LAW).csv
	$(BIN)/kansym fit $(DEMO)/$(DEMO_LAW).csv $(DEMO_FLAGS) --out $(DEMO)/$(DEMO_LAW)
	@echo "-- as LaTeX --"
	$(BIN)/kansym export $(DEMO)/$(DEMO_LAW) --format latex
	$(BIN)/kansym plot $(DEMO)/$(DEMO_LAW) --kind graph -o $(DEMO)/$(DEMO_LAW)-graph.svg
	@echo "The picture of the pruned network: $(DEMO)/$(DEMO_LAW)-graph.svg"

test: $(VENV)/.ready-test
	$(THREADS) $(BIN)/python -m pytest -n $(WORKERS) $(PYTEST_FLAGS)

check: $(VENV)/.ready-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python

format: $(VENV)/.ready-test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) $(DEMO) build dist .pytest_cache .ruff_cache .hypothesis

# An environment is made once; a stamp file in it says which extras it holds.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "kansym needs Python 3.11 or newer: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV_FLAGS) $(VENV)

$(VENV)/.ready-demo: pyproject.toml $(wildcard $(CONSTRAINTS)) | $(BIN)/python
	$(INSTALL) -e ".[plot,io]"
	@touch $@

$(VENV)/.ready-test: pyproject.toml $(wildcard $(CONSTRAINTS)) | $(BIN)/python
	$(INSTALL) -e ".[plot,io,test]"
	@touch $@ $(VENV)/.ready-demo
