# make demo   a law of nature from a table, in a few minutes        make test   the tests
# make check  format, lint and types                                make docs   the documentation, in build/docs, and its tests
# make clean  remove what these targets made
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

.PHONY: demo test check format docs clean
.DELETE_ON_ERROR:

# One law of the demo: $(1) the data set, $(2) flags of the fit, $(3) what the screen says.
define demo_law
	@echo "== $(3) =="
	$(BIN)/kansym datasets write $(1) -o $(DEMO)/$(1).csv
	$(BIN)/kansym fit $(DEMO)/$(1).csv $(2) $(DEMO_FLAGS) --out $(DEMO)/$(1) $(OR_TIME_UP)
	@echo "-- as LaTeX --"
	$(BIN)/kansym export $(DEMO)/$(1) --format latex
endef

demo: $(VENV)/.ready-demo
	@mkdir -p $(DEMO)
	$(call demo_law,planets,,The eight planets: distance from the sun a and orbital period P)
	$(call demo_law,firas,--target I --sigma sigma,The cosmic microwave background as COBE measured it)
	$(call demo_law,toy-wave,,A wave of a curved phase)
	@for kind in $(DEMO_PICTURES); do \
	  $(BIN)/kansym plot $(DEMO)/toy-wave --kind $$kind -o $(DEMO)/toy-wave-$$kind.svg || exit 1; \
	done
	@echo "Pictures: $(DEMO_PICTURES:%=$(DEMO)/toy-wave-%.svg); every run on one page: $(DEMO)/*/report.html"

test: $(VENV)/.ready-test
	$(THREADS) $(BIN)/python -m pytest -n $(WORKERS) -m "not docs" $(PYTEST_FLAGS)

check: $(VENV)/.ready-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python

format: $(VENV)/.ready-test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The examples of the pages are run, which takes minutes; their results are kept until kansym or the example changes.
docs: $(VENV)/.ready-docs
	$(THREADS) PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m sphinx -W --keep-going -q docs build/docs
	$(THREADS) $(BIN)/python -m pytest -n $(WORKERS) -m docs tests/e2e/test_docs.py $(PYTEST_FLAGS)
	@echo "build/docs/index.html"

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

$(VENV)/.ready-docs: pyproject.toml $(wildcard $(CONSTRAINTS)) | $(BIN)/python
	$(INSTALL) -e ".[plot,io,test,docs]"
	@touch $@ $(VENV)/.ready-test $(VENV)/.ready-demo
