# syntax=docker/dockerfile:1
# An image of the C library, CA certificates and certstream-server, which runs as an unprivileged user
# and stores its journal in /data, up to 10 GiB (CERTSTREAM_JOURNAL_MAX_BYTES).
#
#   docker build -t certstream-server .
#   docker run -p 8080:8080 -v certstream:/data certstream-server

# Tags can be moved. To build from images you have checked, give their digests (docs/operate.md says how to find them).
# None are written here: a digest is for one platform's index at one time, and one that nobody renews keeps out the
# distribution's security updates.
ARG BUILD_IMAGE=rust:1.95-bookworm
ARG RUN_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILD_IMAGE} AS build
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --release --locked --package server --bin certstream-server \
    && strip --output /certstream-server target/release/certstream-server \
    && mkdir /data

FROM ${RUN_IMAGE}
COPY --from=build /certstream-server /usr/local/bin/certstream-server
COPY --from=build --chown=65532:65532 /data /data
USER 65532:65532
WORKDIR /data
VOLUME /data
ENV CERTSTREAM_DATA_DIR=/data
# The state file of earlier images is imported once, if there is one.
ENV CERTSTREAM_CT_LOG_STATE_FILE=/data/state.json
EXPOSE 8080
# The image has no curl; the server runs its own health check.
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s --retries=3 \
    CMD ["/usr/local/bin/certstream-server", "healthcheck"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/certstream-server"]
