# From source to an image that holds the program, the CA certificates, the licences, and nothing
# else. It compiles on the build platform for the target's, and needs no network beyond the first
# image's own. Where that cannot be pulled, see script/Dockerfile.prebuilt.
#
#   docker build -t microtica --build-arg VERSION=0.1.0 .

FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY . .
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=dev
RUN GOPROXY=off GOOS=$TARGETOS GOARCH=$TARGETARCH make build VERSION="$VERSION" && \
	cp "$(go env GOROOT)/LICENSE" LICENSE-GO

FROM scratch
ARG VERSION=dev
ARG SOURCE=
LABEL org.opencontainers.image.title="microtica" \
	org.opencontainers.image.source="$SOURCE" \
	org.opencontainers.image.version="$VERSION" \
	org.opencontainers.image.licenses="MIT AND BSD-3-Clause"
COPY --from=build --chmod=0755 /src/microtica /microtica
COPY --from=build --chmod=0644 /src/LICENSE /src/LICENSE-GO /licenses/
COPY --from=build --chmod=0644 /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
USER 65532:65532
ENTRYPOINT ["/microtica"]
