# The targets for users are build, demo, test and help; the others are for those who change the program.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
PLATFORMS = $(foreach os,linux darwin windows freebsd,$(os)/amd64 $(os)/arm64)

# No cgo, so static; no HTTP/2; nothing that tells the place of the build. The tests are built the same way, so that both share
# the build cache. (The Go tool wants a cache even where there is no home directory.)
export GOFLAGS = -trimpath -buildvcs=false -tags=nethttpomithttp2
ifeq ($(HOME)$(XDG_CACHE_HOME)$(GOCACHE),)
export GOCACHE = $(CURDIR)/.cache/go-build
endif
GO = CGO_ENABLED=0 go
LDFLAGS = -s -w -X main.version=$(VERSION)
BINARY = ./microtica$(shell go env GOEXE)

build: ## build the static binary, ./microtica
	$(GO) build -ldflags '$(LDFLAGS)' -o $(BINARY) .

test: ## run the tests
	$(GO) test -count=1 .

demo: build ## take the binary through login, whoami and the lists, against a fake of the API
	@MICROTICA_DEMO=$(BINARY) $(GO) test -count=1 -run '^TestDemo$$'

lint: ## gofmt, go vet on every platform, staticcheck
	@files=$$(gofmt -l .) && test -z "$$files" || { echo "not formatted: $$files"; exit 1; }
	@for p in $(PLATFORMS); do echo "go vet $$p"; CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} go vet . || exit 1; done
	@if go run $(STATICCHECK) -version >/dev/null 2>&1; then echo staticcheck; go run $(STATICCHECK) ./...; \
	else echo "staticcheck cannot be downloaded here: SKIPPED"; fi

race: ## run the tests under the race detector
	@if command -v $$(go env CC) >/dev/null; then CGO_ENABLED=1 go test -race -count=1 .; \
	else echo "no C compiler, which go test -race needs: SKIPPED"; fi

static: build ## check that the binary is static and that nothing but the standard library is in it
	MICROTICA_BINARY=$(BINARY) $(GO) test -count=1 -run '^Test(BinaryIsStatic|NothingButTheStandardLibrary)$$' .

check: lint race static demo ## all that make test does not check

ci: test check ## everything

bench: build ## time the binary against curl, jq and a bare Go program
	@MICROTICA_BENCH=$(BINARY) $(GO) test -count=1 -timeout 30m -run '^TestBench$$'

# What awk drops is the noise of -v; it fails where a test does.
torture: ## run the tests that try to lose or leak the key with the large numbers that README quotes
	@MICROTICA_TORTURE=1 $(GO) test -count=1 -timeout 60m -run '^TestTorture' -v . 2>&1 | \
	awk '!/^=== / && !/^ *--- PASS/; /^(FAIL|panic)/ { bad = 1 } END { exit bad }'

FUZZTIME ?= 1000000x
fuzz: ## run each fuzz target a million times
	@for f in $$($(GO) test -list '^Fuzz' . | grep ^Fuzz); do echo "$$f"; \
	$(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x . || exit 1; done

dist: ## pack the program for every platform, with checksums, into dist/ (Go writes the archives, no tar is needed)
	rm -rf dist
	@MICROTICA_DIST=$(CURDIR)/dist MICROTICA_VERSION=$(VERSION) MICROTICA_PLATFORMS='$(PLATFORMS)' \
	$(GO) test -count=1 -timeout 30m -run '^TestDist$$'

verify-dist: ## build the archives again in another directory, and compare
	@test -f dist/SHA256SUMS || { echo "run make dist first"; exit 1; }
	@copy=$$(mktemp -d) && trap 'rm -rf "$$copy"' EXIT && cp -R *.go go.mod Makefile README.md LICENSE testdata "$$copy" && \
	$(MAKE) -C "$$copy" dist VERSION=$(VERSION) >/dev/null && for f in dist/*; do cmp "$$f" "$$copy/$$f" || exit 1; done && \
	echo "another directory makes the same bytes"

clean: ## remove what make made
	rm -rf microtica microtica.exe dist .cache

help: ## print this
	@sed -n 's/^\([a-z-]*\):.*## /  make \1: /p' Makefile

.PHONY: build test demo lint race static check ci bench dist verify-dist torture fuzz clean help
