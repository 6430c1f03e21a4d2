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
# The second demo table and how it is fitted: a law that no straight line on any scale shows.
DEMO_LAW ?= firas
DEMO_LAW_FLAGS ?= --target I --sigma sigma
DEMO_FLAGS ?= --seed 0
DEMO_PICTURES ?= graph pareto fit

BIN := $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --disable-pip-version-check --quiet $(if $(CONSTRAINTS),-c $(CONSTRAINTS))
# One thread a process: small problems are faster that way, and two test processes do not fight for cores.
THREADS := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
WORKERS ?= 2
PYTEST_FLAGS ?=

# A fit that ran out of time (exit code 3) still has a law to show.
OR_TIME_UP := || [ $$? -eq 3 ]

.PHONY: demo test check format clean
.DELETE_ON_ERROR:

demo: $(VENV)/.ready-demo
	@mkdir -p $(DEMO)
	@echo "== The eight planets: distance from the sun a, orbital period P =="
	$(BIN)/kansym datasets write planets -o $(DEMO)/planets.csv
	$(BIN)/kansym fit $(DEMO)/planets.csv $(DEMO_FLAGS) --out $(DEMO)/planets $(OR_TIME_UP)
	@echo "-- as LaTeX --"
	$(BIN)/kansym export $(DEMO)/planets --format latex
	@echo "== $(DEMO_LAW): a law that needs more =="
	$(BIN)/kansym datasets show $(DEMO_LAW)
	$(BIN)/kansym datasets write $(DEMO_LAW) -o $(DEMO)/$(DEMO_LAW).csv
	$(BIN)/kansym fit $(DEMO)/$(DEMO_LAW).csv $(DEMO_LAW_FLAGS) $(DEMO_FLAGS) --out $(DEMO)/$(DEMO_LAW) $(OR_TIME_UP)
	@echo "-- as LaTeX --"
	$(BIN)/kansym export $(DEMO)/$(DEMO_LAW) --format latex
	@for kind in $(DEMO_PICTURES); do \
	  $(BIN)/kansym plot $(DEMO)/$(DEMO_LAW) --kind $$kind -o $(DEMO)/$(DEMO_LAW)-$$kind.svg || exit 1; \
	done
	@echo "Pictures: $(DEMO_PICTURES:%=$(DEMO)/$(DEMO_LAW)-%.svg); the whole run on one page: $(DEMO)/$(DEMO_LAW)/report.html"

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
