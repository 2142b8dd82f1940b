# From source to an image that holds the program, the CA certificates, and nothing else. The build needs no network beyond the
# two images' own. Where the first image cannot be pulled, see Dockerfile.prebuilt.
#
#   docker build -t microtica .
#   docker run --rm -e MICROTICA_TOKEN_FILE=/run/secrets/microtica -v ./key.txt:/run/secrets/microtica:ro microtica whoami

FROM golang:1.26 AS build
WORKDIR /src
COPY . .
ARG VERSION=dev
RUN GOPROXY=off make build VERSION=$VERSION

FROM scratch
COPY --from=build /src/microtica /microtica
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
USER 65532:65532
ENTRYPOINT ["/microtica"]
