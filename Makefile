# Users need build, demo, test and help; the other targets are for those who change the program.
# This is a GNU makefile: on FreeBSD, say gmake.
.NOTPARALLEL:

# VERSION is what the binary calls itself. A tag v0.1.0 and VERSION=0.1.0 mean the same. Whatever it
# holds reaches the shell as an environment variable and is never part of a command.
ifeq ($(origin VERSION),undefined)
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null | tr -c '0-9A-Za-z.+_\n-' -)
endif
override VERSION := $(or $(strip $(value VERSION)),dev)
ifneq ($(filter $(foreach digit,0 1 2 3 4 5 6 7 8 9,v$(digit)%),$(VERSION)),)
override VERSION := $(VERSION:v%=%)
endif
export VERSION

# Build without cgo, so that the binary is static, without HTTP/2, and without a trace of where it
# was built; with TAGS=noquery, without --query. The tests share these settings and the build cache.
TAGS =
export GOFLAGS = -trimpath -buildvcs=false -tags=nethttpomithttp2$(TAGS:%=,%)
GO = CGO_ENABLED=0 go
BINARY = microtica$(shell go env GOEXE)

# Go needs a build cache even where the user has no home directory.
ifeq ($(GOCACHE)$(XDG_CACHE_HOME)$(shell test -n "$$HOME" -a -w "$$HOME/." && echo usable),)
export GOCACHE = $(CURDIR)/.cache/go-build
endif

# The first of these is the platform of most users; for the others, lint vets one architecture each.
PLATFORMS = $(foreach os,linux darwin windows freebsd,$(os)/amd64 $(os)/arm64)
ABROAD = linux/arm64 darwin/arm64 windows/amd64 freebsd/amd64
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
SOURCES = $$(find . -name '*.go' ! -path './.*')

# Run tests of check/ with ./microtica, and without the lines that only say that a test began or
# passed. Their exit status is kept.
define checks
@exec 4>&1; exit $$({ { MICROTICA_BINARY=../$(BINARY) $(1) $(GO) test -C check -count=1 -v \
-timeout 60m -run '$(2)' 2>&1; echo $$? >&3; } | \
sed -e '/^=== /d' -e '/^ *--- PASS/d' -e '/^PASS$$/d' -e '/^ok  /d' >&4; } 3>&1)
endef

# Archives and binaries are named for VERSION, so it may hold only what is safe in a file name.
define check-version
@case "$$VERSION" in *[!0-9A-Za-z.+_-]*) \
echo "VERSION may hold letters, digits, and . + _ - only" >&2; exit 2;; esac
endef

build: ## build the static binary, ./microtica
	$(check-version)
	$(GO) build -ldflags "-s -w -X main.version=$$VERSION" -o $(BINARY) .

test: ## run the tests
	$(GO) test -count=1 -parallel 6 $(TESTFLAGS) ./...

demo: build ## show login, whoami and the lists, against a fake of the API on this machine
	@echo "compiling the fake API …"
	$(call checks,,^TestDemo$$)

lint: ## check the form of the code, go vet for each system, staticcheck
	@echo "gofmt" && changed=$$("$$(go env GOROOT)/bin/gofmt" -l $(SOURCES)) && \
	test -z "$$changed" || { echo "$$changed"; exit 1; }
	@echo "100 columns" && LC_ALL=C awk '{ gsub(/\t/, "    "); gsub(/[\200-\277]/, "") } \
	length > 100 { print FILENAME ":" FNR; long = 1 } END { exit long }' $(SOURCES)
	@echo "go vet" && $(GO) vet ./...
	@for p in $(ABROAD); do echo "go vet for $$p"; \
	CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} go vet ./... || exit 1; done
	@if why=$$(go run $(STATICCHECK) -version 2>&1); then \
	echo staticcheck && go run $(STATICCHECK) ./...; \
	else echo "SKIPPED staticcheck: $$(echo "$$why" | tail -n 1)"; fi

race: ## run the tests under the race detector
	@if command -v "$$(go env CC)" >/dev/null; then \
	CGO_ENABLED=1 go test -race -count=1 -parallel 6 $(TESTFLAGS) ./...; \
	else echo "SKIPPED race: go test -race needs a C compiler, and there is no $$(go env CC)"; fi

noquery: ## vet and test the program without --query
	$(GO) vet -tags=nethttpomithttp2,noquery .
	$(GO) test -count=1 -parallel 6 $(TESTFLAGS) -tags=nethttpomithttp2,noquery .

static: build ## check that the binary is static and holds nothing but the standard library
	$(call checks,,^Test(BinaryIsStatic|NothingButTheStandardLibrary)$$)
	MICROTICA_RELEASE=1 $(GO) test -C check -count=1 -run '^TestDist'

torture: build ## try hard to lose or leak the key: the large numbers that SECURITY.md quotes
	$(call checks,MICROTICA_TORTURE=large,^TestTorture)

audit: build ## print what each file may touch, and who calls what is dangerous
	$(call checks,MICROTICA_AUDIT=print,^TestAudit$$)

check: noquery lint race static demo ## all that make test does not check

ci: test check ## all that must hold before a change lands

bench: build ## time the binary against curl, jq and a bare Go program
	$(call checks,MICROTICA_BENCH=1,^TestBench$$)

FUZZTIME = 1000000x
fuzz: ## run each fuzz target a million times
	@for f in $$($(GO) test -list '^Fuzz' . | grep ^Fuzz); do echo "$$f"; $(GO) test -run '^$$' \
	-fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x . || exit 1; done

dist: ## pack the program for every platform, with checksums, into dist/ (no tar or zip is needed)
	$(check-version)
	@rm -rf dist; go=go$$(cat .ci/go-version); test "$$(go env GOVERSION)" = "$$go" || \
	echo "note: releases are built with $$go, not $$(go env GOVERSION): the bytes will differ" >&2
	@$(GO) run ./script/dist -version="$$VERSION" $(PLATFORMS)

verify-dist: ## build the archives again, in another directory and without a cache, and compare
	@test -f dist/SHA256SUMS || { echo "run make dist first" >&2; exit 1; }
	@copy=$$(mktemp -d) && trap 'rm -rf "$$copy"' EXIT && \
	version=$$(sed -n 's/.*  microtica_\(.*\)_linux_amd64.tar.gz/\1/p' dist/SHA256SUMS) && \
	find . ! -name . -prune ! -name dist ! -name .git ! -name .cache -exec cp -R {} "$$copy" \; && \
	GOCACHE="$$copy/.cache" $(MAKE) -s -C "$$copy" dist VERSION="$$version" >/dev/null && \
	(cd dist; for f in SHA256SUMS micro*_*; do cmp "$$f" "$$copy/dist/$$f" || exit 1; done) && \
	echo "another directory and an empty build cache make the same bytes"

export SIGNING_KEY ?=
sign: ## sign dist/SHA256SUMS with an SSH key: make sign SIGNING_KEY=FILE
	@test -n "$$SIGNING_KEY" || { echo "name the key: make sign SIGNING_KEY=FILE" >&2; exit 2; }
	@test -f dist/SHA256SUMS || { echo "run make dist first" >&2; exit 1; }
	@rm -f dist/SHA256SUMS.sig
	ssh-keygen -Y sign -n file -f "$$SIGNING_KEY" dist/SHA256SUMS

clean: ## remove what make made
	rm -rf microtica microtica.exe dist .cache

help: ## print this
	@sed -n 's/^\([a-z-]*\):.*## /  make \1: /p' Makefile

.PHONY: build test demo lint race noquery static torture audit ci bench fuzz dist verify-dist sign
.PHONY: check clean help
