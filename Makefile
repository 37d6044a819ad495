# make demo   records one real run of the reference pipeline and judges it
# make demo-docker   the same in two Docker Compose projects on a real engine
# make test   runs every test
# make soak   records every fault for real, half an hour, and compares with what is expected; soak-docker those in containers
# make histories   records over a hundred runs for real, an hour, judges them, and replaces what is kept in fixtures/histories
# make bench  measures the tap against HAProxy, nginx and mitmproxy, half an hour; BENCH="--quick" shows that it works
# make flamegraph  draws where the tap's time goes, into target/flamegraph.svg
# make verdict-bench  compares verdicts with the truth and with other methods on generated histories, a minute or two; SEEDS="frozen" takes one seed
# make screenshot  takes the README's picture of a trace in Jaeger's UI again
# make fuzz   feeds each decoder random bytes, for SECONDS each (600)
# make observe  brings up Jaeger, Prometheus and Grafana in Docker, and prints where to look; RUN="latest" loads recordings; observe-down
# make setup  installs what they need (asks for nothing, says what it does)
# make setup-docker  installs and starts what demo-docker needs: an engine, Compose, base images; stop-docker ends that engine

CACHE := $(or $(TAPEDECK_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/tapedeck)
VENV := $(CACHE)/venv
# One profile and one set of features for tests and demo: nothing is built twice.
BUILD := --workspace --quiet
TARGET := $(or $(CARGO_TARGET_DIR),target)

.PHONY: demo demo-docker test fuzz soak soak-docker histories bench verdict-bench flamegraph screenshot observe observe-down setup setup-docker stop-docker build lint
.DEFAULT_GOAL := demo

setup:
	@fixtures/pipeline/install.sh

setup-docker:
	@fixtures/docker/setup.sh

stop-docker:
	@fixtures/docker/setup.sh stop

build: setup
	@echo "building collector, replay and the reference pipeline (the first time takes minutes)" >&2
	@cargo build $(BUILD)

demo: build
	@$(TARGET)/debug/collector record fixtures/scenarios/021-process.toml --runs runs
	@$(TARGET)/debug/replay check latest --runs runs

# The one variable that differs between machines is set here: which media server's image is to be had (fixtures/docker/setup.sh).
demo-docker: build
	@media_server=$$(fixtures/docker/setup.sh) && export "$$media_server" && \
	$(TARGET)/debug/collector record fixtures/scenarios/021-compose.toml --runs runs
	@$(TARGET)/debug/replay check latest --runs runs

test: build
	@fixtures/verdicts/install.sh
	@fixtures/observability/install.sh
	@fixtures/observability/traces.sh
	@if command -v cargo-nextest >/dev/null; then cargo nextest run --workspace; else cargo test --workspace; fi
	@$(TARGET)/debug/replay explain fixtures/specs/021.toml >/dev/null
	@fixtures/pipeline/sts-service/test
	@$(VENV)/bin/python -B -m pytest -q -p no:cacheprovider fixtures/tests/whole

screenshot: build
	@fixtures/observability/traces.sh
	@$(VENV)/bin/python -B fixtures/observability/screenshot.py

# The stable compiler does, as nothing is sanitised: the decoders have no unsafe code. What is found is kept in the target folder,
# an input that breaks a decoder under artifacts/.
FUZZ := $(CACHE)/fuzz-0.13.2/bin
FUZZED := $(abspath $(TARGET))/fuzz
SECONDS ?= 600
TARGETS ?= $(basename $(notdir $(wildcard collector/fuzz/targets/*.rs)))
fuzz: export RUSTC_BOOTSTRAP := 1
fuzz: export CARGO_TARGET_DIR := $(FUZZED)
fuzz: export PATH := $(FUZZ):$(PATH)
fuzz:
	@[ -x $(FUZZ)/cargo-fuzz ] || { echo "building cargo-fuzz once" >&2; cargo install --quiet --locked --root $(dir $(FUZZ)) cargo-fuzz@0.13.2; }
	@for target in $(TARGETS); do \
		mkdir -p $(FUZZED)/corpus/$$target $(FUZZED)/artifacts || exit 1; \
		echo "fuzzing $$target for $(SECONDS) s" >&2; \
		cargo fuzz run --fuzz-dir collector/fuzz --sanitizer none $$target $(FUZZED)/corpus/$$target collector/fuzz/corpus/$$target \
			-- -max_total_time=$(SECONDS) -max_len=4096 -timeout=10 -rss_limit_mb=1024 -artifact_prefix=$(FUZZED)/artifacts/$$target- \
			>$(FUZZED)/$$target.log 2>&1 || { tail -n 40 $(FUZZED)/$$target.log >&2; exit 1; }; \
	done

faults = $(notdir $(basename $(wildcard fixtures/scenarios/$(1)/*.toml)))

# Nothing else should be at work on the machine: what takes its CPUs is a fault that is told.
soak: FAULTS ?= good $(call faults,faults)
soak-docker: FAULTS ?= compose-good $(call faults,compose-faults)
soak soak-docker: build
	@rm -rf runs/soak
	@fixtures/recordings/record $(FAULTS) --into runs/soak
	@$(VENV)/bin/python -B fixtures/recordings/judge.py --from runs/soak $(FAULTS) $(if $(filter good,$(FAULTS)),drift)

# Without RUN nothing of ours needs to be built.
observe: $(if $(RUN),build)
	@REPLAY=$(TARGET)/debug/replay compose/observability/observe.sh up $(RUN)

observe-down:
	@compose/observability/observe.sh down

# Runs that are there already are not made again.
histories: build
	@$(VENV)/bin/python -B fixtures/histories/record.py --runs runs/histories
	@$(VENV)/bin/python -B fixtures/histories/export.py --runs runs/histories --keep
	@$(VENV)/bin/python -B fixtures/histories/confusion.py --write

# Nothing else should be at work on the machine here, either.
bench: BENCH ?= --write
bench:
	@fixtures/bench/install.sh
	@cargo bench --quiet -p collector --bench tap -- $(BENCH)

# The seeds are TUNE and FROZEN of fixtures/verdicts/generate.py, each with histories of the other origin as well. What is told is FROZEN's.
verdict-bench: SEEDS ?= tune frozen
verdict-bench: build
	@fixtures/verdicts/install.sh
	@failed=0; for seed in $(SEEDS); do \
		$(VENV)/bin/python -B fixtures/verdicts/bench.py --seed $$seed --origin both $(VERDICTS) || failed=1; \
	done; exit $$failed

# The load is that of the benchmark; FLAME="--only 1000,50 --full" takes another cell, at full speed.
flamegraph: FLAME ?= --only 700000,50
flamegraph:
	@fixtures/bench/install.sh flamegraph
	@mkdir -p $(TARGET)
	@cargo bench --quiet -p collector --bench tap -- --profile "$(abspath $(TARGET))/tap.perf" $(FLAME)
	@perf script -i $(TARGET)/tap.perf >$(TARGET)/tap.stacks
	@$(CACHE)/inferno/bin/inferno-collapse-perf $(TARGET)/tap.stacks | $(CACHE)/inferno/bin/inferno-flamegraph >$(TARGET)/flamegraph.svg
	@rm -f $(TARGET)/tap.perf $(TARGET)/tap.stacks
	@echo $(TARGET)/flamegraph.svg

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
