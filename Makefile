# Needs Python 3.11 or newer with venv, and make. `make report` and `make test` do the rest.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && exit; \
	done; echo python3)
# A file of pins for pip; CI sets it to constraints.txt, everybody else gets the newest that fits.
CONSTRAINTS ?=
VENV := .venv
BIN := $(VENV)/bin
# One BLAS thread a process: two pytest workers already fill two cores.
SUITE := OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -q
SIZE ?= quick

# An environment of its own for the peers, and another for the one that needs an old JAX. PEERS holds pins for
# pip, such as 'torch==2.13.0+cpu'; the newest PyTorch brings gigabytes of CUDA that a CPU does not need.
PEERS ?=
BENCH := .venv-bench
BENCH_NT := .venv-nt
ROWS_NT := ntk-2000x100 ntk-8000x200 ntk-accuracy

.PHONY: help report test test-all coverage environment lint clean bench bench-nt

help:
	@echo "make report    check the statements at quick size and write report/index.html"
	@echo "make test      every gate: ruff, mypy, the vacuous-test lint, the suite"
	@echo "make test-all  the same with the slow tests"
	@echo "make coverage  the compute tests with Numba's compiler off, and which lines of shallow/compute they run"
	@echo "make bench     measure against PyTorch, JAX and NumPy; writes benchmarks/results and docs/performance.md"
	@echo "make bench-nt  measure against neural-tangents, in an environment of its own"

environment:
	@$(PYTHON) tools/environment.py $(VENV) $(CONSTRAINTS)

report: environment
	@# 1 is a violation, which the page shows; anything else is a failure to make the page.
	@$(BIN)/proofs-check run --size $(SIZE) --out report || test $$? -eq 1

lint: environment
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python tools/vacuous_tests.py tests

test: lint
	$(SUITE) -m "not slow"

test-all: lint
	$(SUITE)

# With the compiler off every routine is plain Python, and each of its lines counts.
coverage: environment
	NUMBA_DISABLE_JIT=1 OMP_NUM_THREADS=1 $(BIN)/coverage run -m pytest -q -m "not slow" tests/compute
	$(BIN)/coverage report

$(BENCH)/stamp: pyproject.toml
	$(PYTHON) -m venv --clear $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[bench]' $(PEERS)
	@touch $@

$(BENCH_NT)/stamp: Makefile
	$(PYTHON) -m venv --clear $(BENCH_NT)
	$(BENCH_NT)/bin/python -m pip install --quiet --disable-pip-version-check \
		'jax==0.4.30' 'jaxlib==0.4.30' 'numpy<2.1' 'neural-tangents==0.6.5'
	@touch $@

bench: $(BENCH)/stamp
	$(BENCH)/bin/python -m benchmarks --save

bench-nt: $(BENCH)/stamp $(BENCH_NT)/stamp
	$(BENCH)/bin/python -m benchmarks --save --rows $(ROWS_NT)

clean:
	rm -rf $(VENV) $(BENCH) $(BENCH_NT) .coverage report build dist .mypy_cache .ruff_cache .pytest_cache
