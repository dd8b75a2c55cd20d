# The front door. `make help` lists what it opens.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
CONFIG ?=

.PHONY: help run test test-crash figures contract lint deny coverage mutants reproducible bench layout bless clean-local

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

run: ## build and serve the gateway; CONFIG=file serves that configuration
	$(CARGO) build --release --locked -p switchboard-server
	exec $(TARGET)/release/switchboard serve $(if $(CONFIG),--config $(CONFIG))

test: ## run every test: Rust, lints, real clients, recorded traffic
	@exec python3 scripts/test.py

test-crash: ## kill the gateway fifty times and at ten named places, and compare the books; ITERATIONS=200 for more
	$(CARGO) build --locked -p switchboard-server
	SWITCHBOARD_BIN=$(TARGET)/debug/switchboard python3 tests/crash/run.py --iterations $(or $(ITERATIONS),50) --failpoints

figures: ## money, limits, outages, attacks over HTTP at full scale; FIGURES="m1 x2" for some of them
	$(CARGO) build --locked -p switchboard-server
	SWITCHBOARD_BIN=$(TARGET)/debug/switchboard python3 tests/crash/figures.py $(FIGURES)

lint: ## check format and lints
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

contract: ## ask the API what its own document allows, 50 times each operation; EXAMPLES=500 for more
	$(CARGO) build --locked -p switchboard-server
	SWITCHBOARD_BIN=$(TARGET)/debug/switchboard python3 scripts/contract.py --examples $(or $(EXAMPLES),50)

deny: ## licences, sources and advisories of dependencies, and how many there are (cargo-deny); CHECKS="bans licenses sources" without a network
	@count=$$($(CARGO) tree --locked -p switchboard-server -e normal,build --prefix none --no-dedupe | cut -d' ' -f1,2 | sort -u | wc -l); \
	  echo "$$count crates in the gateway, of at most 350"; test $$count -le 350
	$(CARGO) deny check $(or $(CHECKS),all)

coverage: ## how much of the code its tests reach, folder by folder; COVER="-p switchboard-store" for some of them
	python3 scripts/coverage.py $(COVER)

mutants: ## small mistakes, one at a time, where money and rights are decided: tests must fail (cargo-mutants); MUTANTS="-p switchboard-store --shard 1/50"
	$(CARGO) mutants --output $(TARGET) $(MUTANTS)

reproducible: ## build the release twice in folders of other names: the same bytes
	python3 scripts/reproducible.py

bench: ## measure against a bare proxy, and the routing decision; see bench/README.md
	$(CARGO) bench --locked -p switchboard-bench --bench routing
	$(CARGO) build --release --locked -p switchboard-server -p switchboard-bench
	$(CARGO) bench --locked -p switchboard-engine --bench decide
	$(TARGET)/release/switchboard-bench measure --gateway $(TARGET)/release/switchboard --out $(TARGET)/bench
	SWITCHBOARD_BIN=$(TARGET)/release/switchboard python3 bench/keys.py
	$(CARGO) bench --locked -p switchboard-store --bench settle -- $(TEST_DATABASE_URL)
	$(CARGO) bench --locked -p switchboard-store --bench recover

layout: ## write anew which functions lie side by side in the released program; needs valgrind
	$(CARGO) build --release --locked -p switchboard-bench
	@# Valgrind knows the names of functions only where the linker puts them by itself.
	echo 'SECTIONS {} INSERT BEFORE .text;' > crates/server/layout.ld
	$(CARGO) rustc --release --locked -p switchboard-server --bin switchboard -- -C strip=none
	CARGO_TARGET_DIR=$(TARGET) python3 bench/layout.py $(TARGET)/release/switchboard

bless: ## rewrite generated documents and snapshots from the code
	BLESS=1 INSTA_UPDATE=always $(CARGO) test --workspace --locked

clean-local: ## forget what the tests have installed in .local/
	rm -rf .local tests/clients/node/node_modules
