# imagioo. `make help` lists what there is to make.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Queries are checked against the recorded data in .sqlx; only `make sqlx` asks a database.
export SQLX_OFFLINE := true
# Places where a test can have a process die; only test builds have them.
KILL_POINTS := --features imagioo-runtime/kill-points
TOOLS := $(CURDIR)/.local/tools/bin
CARGO := cargo
TESTKIT := target/debug/imagioo-testkit
STACK := target/debug/imagioo-stack
export SET ITEM SEEDS ONLY

.PHONY: help run up down status logs test sdk items soak sabotage lint fmt clippy proto proto-release deny shear sqlx \
	sqlx-check doc bench bench-quick first-run tools prerequisites

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

run: prerequisites ## Build and start everything in one process, with a demo account and a first image
	$(CARGO) build --locked -p imagioo
	exec target/debug/imagioo serve --demo

up: prerequisites ## Start every service as a process, on real servers, in the background
	$(CARGO) build --locked --workspace --bins
	$(STACK) up
down: ## Stop what `make up` started; data stays
status: ## Show every process of `make up`
logs: ## Follow their logs; PART=gateway-1 for one
down status logs:
	@$(STACK) $@ $(PART)

test: prerequisites ## Run every test; servers run as private children under .local/
	$(CARGO) build --locked --workspace --bins $(KILL_POINTS)
	mkdir -p .local && $(TESTKIT) run -- $(CARGO) test --locked --workspace $(KILL_POINTS) $(ARGS) | tee .local/test-results
sdk: prerequisites tools ## Drive a real server with OpenAI's SDKs, Python's gRPC and buf curl, in pinned versions
	$(CARGO) build --locked -p imagioo
	tests/sdk/run.sh
items: ## Show the checklist with its tests and their last results; SET=b, r or s for one set
soak: ## Run the long form of an item's tests: ITEM=31 SEEDS=5
sabotage: ## Break the code on purpose, once for each patch, and expect its test to fail; ONLY=name for one
items soak sabotage:
	@tests/$@.sh

bench: prerequisites ## Measure against the bare durable submit, about an hour; ARGS="--only hot,flight" for less, ARGS=--help for all
	$(CARGO) build --locked --release --workspace --bins
	target/release/imagioo-bench $(ARGS)
bench-quick: ARGS := --quick
bench-quick: bench ## The same in some six minutes, with short queues

lint: fmt clippy proto deny shear sqlx-check doc ## Check style, protobuf, dependencies, recorded queries, documentation
fmt: ## Check the format
	$(CARGO) fmt --all --check
clippy: ## Check the lints
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
proto: tools ## Lint the protobuf files and compare them with the released ones
	cd proto && $(TOOLS)/buf lint && $(TOOLS)/buf breaking --against released.binpb
proto-release: tools ## Take today's protobuf files as the released ones
	cd proto && $(TOOLS)/buf build --exclude-source-info -o released.binpb
deny: tools ## Check licences, sources and banned crates
	$(TOOLS)/cargo-deny --locked check --hide-inclusion-graph bans licenses sources
shear: tools ## Find dependencies that nothing uses
	$(TOOLS)/cargo-shear
doc: ## Build the documentation
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps

sqlx: ## Record the checked queries in .sqlx
	$(CARGO) build --locked -p imagioo-testkit
	rm -rf .local/sqlx && mkdir -p .local/sqlx
	touch services/{account,billing,gateway}/src/lib.rs
	$(TESTKIT) prepare --data .local/prepare -- env SQLX_OFFLINE=false SQLX_OFFLINE_DIR=$(CURDIR)/.local/sqlx \
		$(CARGO) check --locked -p imagioo-account -p imagioo-billing -p imagioo-gateway
	rm -rf .sqlx && cp -r .local/sqlx .sqlx
sqlx-check: ## Fail when .sqlx is out of date
	mv .sqlx .local/sqlx-recorded 2>/dev/null || true
	$(MAKE) --no-print-directory sqlx; diff -r .local/sqlx-recorded .sqlx && rm -rf .local/sqlx-recorded

first-run: prerequisites ## Prove `make run` on a machine without PostgreSQL
	deploy/local/first-run.sh
tools prerequisites:
	@deploy/local/$@.sh
