# imagioo. `make help` lists what there is to make.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Queries are checked against the recorded data in .sqlx; only `make sqlx` asks a database.
export SQLX_OFFLINE := true
TOOLS := $(CURDIR)/.local/tools/bin
CARGO := cargo
TESTKIT := target/debug/imagioo-testkit
STACK := target/debug/imagioo-stack

.PHONY: help run up down status logs test lint fmt clippy proto proto-release deny shear sqlx sqlx-check doc check first-run tools prerequisites

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

run: prerequisites ## Build and start everything in one process, with a demo account and a first image
	$(CARGO) build --locked -p imagioo
	exec target/debug/imagioo serve --demo

up: prerequisites ## Start every service as a process, on real servers, in the background
	$(CARGO) build --locked --workspace --bins
	$(STACK) up

down: ## Stop what `make up` started; data stays
	@$(STACK) down

status: ## Show every process of `make up`
	@$(STACK) status

logs: ## Follow their logs; PART=gateway-1 for one
	@$(STACK) logs $(PART)

test: prerequisites ## Run every test; servers run as private children under .local/
	$(CARGO) build --locked --workspace --bins
	$(TESTKIT) run -- $(CARGO) test --locked --workspace $(ARGS)

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

doc: ## Build the documentation
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps

first-run: prerequisites ## Prove `make run` on a machine without PostgreSQL
	deploy/local/first-run.sh

tools:
	@deploy/local/tools.sh

prerequisites:
	@deploy/local/prerequisites.sh
