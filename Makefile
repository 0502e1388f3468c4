# Each target works alone on a fresh clone. Written for GNU Make 3.81 (macOS) and later.
VENV := .venv
BIN := $(VENV)/bin
ADDRESS ?= 127.0.0.1
PORT ?= 8501
PYTEST_ARGS ?=

.PHONY: install run test check format bench screenshots lock clean

install: $(VENV)/.weights

run: install
	$(BIN)/streamlit run app.py --server.address $(ADDRESS) --server.port $(PORT)

test: $(VENV)/.dev $(VENV)/.weights check
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev $(VENV)/.weights
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

screenshots: $(VENV)/.dev $(VENV)/.weights
	$(BIN)/python -m tests.browser.screenshots

lock: $(VENV)/.dev
	$(BIN)/python tests/lock_constraints.py

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache

$(VENV)/.made:
	@sh .ci/make-venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.made requirements.txt constraints.txt
	$(BIN)/python -m pip install --quiet -r requirements.txt -c constraints.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.txt
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt -c constraints.txt
	@touch $@

$(VENV)/.weights: $(VENV)/.runtime
	$(BIN)/python -m loopscope.checkpoints aisfx
	@touch $@
