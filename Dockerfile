# The service and the producer, with TLS. `docker compose up` builds it.
FROM rust:1.95-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends cmake nodejs npm perl \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
RUN cargo build --profile dist --locked --features server/tls,server/s3 -p server -p producer \
    && strip target/dist/tallyflow target/dist/producer

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin tallyflow \
    && install -d -o tallyflow -g tallyflow /data
COPY --from=build /build/target/dist/tallyflow /build/target/dist/producer /usr/local/bin/
USER tallyflow
WORKDIR /data
VOLUME /data
EXPOSE 8080
# Outside of a container it would be loopback.
ENV TALLYFLOW_LISTEN=0.0.0.0:8080 TALLYFLOW_DATA=/data
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s \
    CMD curl -fsS http://127.0.0.1:8080/healthz || exit 1
ENTRYPOINT ["tallyflow"]
