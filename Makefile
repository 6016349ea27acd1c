# The commands of the course. `make` alone lists them. Everything is installed into .venv and nowhere else.
PYTHON ?= python3
CH ?=
PROFILE ?= $(or $(LMTUTOR_PROFILE),quick)
ONLY ?=
LAB ?=

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
PINS := pyproject.toml constraints.txt
CODE := lmtutor tests tools benchmarks data

# The stored outputs are those of the quick profile on the CPU with the embedded data, so they are compared with these.
AS_STORED := LMTUTOR_PROFILE=quick LMTUTOR_SOURCE=embedded LMTUTOR_DATA_DIR= LMTUTOR_DEVICE=cpu

.DEFAULT_GOAL := help
.PHONY: help venv lab test run store format doctor proof bench scoreboard clean

help: ## list the commands
	@grep -E '^[a-z]+:.*## ' Makefile | awk -F ':.*## ' '{ printf "  make %-10s %s\n", $$1, $$2 }'

venv: $(VENV)/venv.stamp ## make the virtual environment .venv, with nothing in it yet

lab: $(VENV)/lab.stamp ## install the course if need be, and open JupyterLab on its chapters [LAB=--no-browser]
	@echo "Opening JupyterLab on chapters/ (this computer only; stop it with Ctrl-C) ..."
	@cd chapters && ../$(PY) -m jupyterlab --ip=127.0.0.1 $(LAB)

test: $(VENV)/test.stamp ## run everything that CI runs: style, tests, all notebooks
	@echo "Running style checks, tests, and every notebook against its stored output; nothing is downloaded ..."
	@$(PY) -c "import kenlm" 2>/dev/null || echo "kenlm is not installed (see $(VENV)/kenlm.log): the tests that need it are skipped."
	@failed=; home=$$(mktemp -d); trap 'rm -rf "$$home"' EXIT; \
	export HF_HUB_OFFLINE=1; \
	echo; echo "== 1 of 4: ruff check"; \
	$(PY) -m ruff check . || failed="$$failed ruff-check"; \
	echo; echo "== 2 of 4: ruff format --check"; \
	$(PY) -m ruff format --check . || failed="$$failed ruff-format"; \
	echo; echo "== 3 of 4: pytest tests"; \
	$(PY) -m pytest tests -rfEs || failed="$$failed tests"; \
	echo; echo "== 4 of 4: pytest --nbval chapters"; \
	unset MPLBACKEND; export $(AS_STORED) LMTUTOR_HOME="$$home"; \
	$(PY) -m pytest --nbval chapters -p no:cacheprovider --nbval-cell-timeout=600 || failed="$$failed notebooks"; \
	echo; \
	if [ -n "$$failed" ]; then echo "FAILED:$$failed"; exit 1; fi; \
	echo "All passed."

run: $(VENV)/lab.stamp ## execute the chapters headless into runs/ [CH=01] [PROFILE=full]
	@echo "Executing $(if $(CH),chapter $(CH),all chapters) headless (profile $(PROFILE)); copies and run.log go to runs/ ..."
	@$(PY) -m lmtutor.course.cli run $(CH) --profile $(PROFILE)

store: $(VENV)/test.stamp ## for maintainers: execute, and keep outputs and costs in chapters/ [CH=01]
	@echo "Executing $(if $(CH),chapter $(CH),all chapters) and writing outputs and costs back into the course ..."
	@$(PY) -m lmtutor.course.cli run $(CH) --profile $(PROFILE) --store

format: $(VENV)/test.stamp ## format code and notebooks; renew badges, Colab cells and README tables
	@echo "Formatting code and notebooks ..."
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .
	@$(PY) tools/format_notebooks.py

doctor: $(VENV)/lab.stamp ## check this machine, and say what to do where something is missing
	@echo "Checking this machine ..."
	@$(PY) -m lmtutor.course.cli doctor

proof: $(VENV)/test.stamp ## run all proofs of equality, and list them in chapters/PROOFS.md
	@echo "Running every test that proves something of ours equal to the library ..."
	@HF_HUB_OFFLINE=1 PYTHONPATH=tests $(PY) -m pytest tests -m proof -p proofs

bench: $(VENV)/test.stamp ## measure speed and memory into benchmarks/: results/, BENCH.md [ONLY=ngram]
	@echo "Running $(if $(ONLY),the benchmark $(ONLY),all benchmarks); this takes minutes, and the machine should do nothing else ..."
	@$(PY) benchmarks/run.py bench $(ONLY)

scoreboard: $(VENV)/test.stamp ## what the models reach on real data: results/, SCOREBOARD.md [ONLY=gpt]
	@echo "Running $(if $(ONLY),$(ONLY),everything) on real data; all of it takes two cores 40 minutes ..."
	@LMTUTOR_PROFILE=$(PROFILE) $(PY) benchmarks/run.py scoreboard $(ONLY)

clean: ## delete runs/ and caches (delete .venv by hand to install afresh)
	@echo "Deleting runs/, build/, dist/ and caches ..."
	@rm -rf runs build dist .pytest_cache .ruff_cache .hypothesis tests/.hypothesis
	@find $(CODE) chapters \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

# --- installing ---------------------------------------------------------------------------------------------------

$(VENV)/venv.stamp:
	@echo "Making a virtual environment in $(VENV) with $(PYTHON) ..."
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON): install Python 3.11 or later, or say make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is `$(PYTHON) -V 2>&1`, but the course needs 3.11 or later: say make PYTHON=python3.11, for example." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "$(PYTHON) lacks venv or pip: install them (on Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# A torch that is in .venv already and has the pinned version stays, whichever build it is.
$(VENV)/lab.stamp: $(VENV)/venv.stamp $(PINS)
	@echo "Installing the course into $(VENV) (the first time this takes minutes) ..."
	@$(PIP) install -c constraints.txt -e ".[lab,offline]"
	@$(PY) -m jupyter labextension disable --level=sys_prefix "@jupyterlab/apputils-extension:announcements" >/dev/null 2>&1 || true
	@touch $@

$(VENV)/test.stamp: $(VENV)/lab.stamp
	@echo "Installing what the tests need into $(VENV) ..."
	@$(PIP) install -c constraints.txt -e ".[lab,offline,test]"
	@$(PIP) install -c constraints.txt kenlm >$(VENV)/kenlm.log 2>&1 || true
	@touch $@
