# The image of one node: the compiled binary and nothing to configure it with but variables.

FROM denoland/deno:debian-2.9.6 AS build
WORKDIR /build
COPY . .
RUN deno task compile
# A new named volume takes over the owner of the directory that it is mounted on.
RUN mkdir -p /root-of-node/data

FROM debian:13-slim
COPY --from=build /build/dist/converge /usr/local/bin/converge
COPY --from=build --chown=65532:65532 /root-of-node /var/lib/converge
# The binary may read and write ./data only, below the directory that it is started in.
WORKDIR /var/lib/converge
USER 65532:65532
ENV CONVERGE_HOST=0.0.0.0 \
    CONVERGE_PORT=8080
EXPOSE 8080
VOLUME /var/lib/converge/data
STOPSIGNAL SIGTERM
# Asks http://127.0.0.1:$CONVERGE_PORT; needs neither a shell nor curl.
HEALTHCHECK --interval=5s --timeout=4s --start-period=10s --retries=3 \
  CMD ["converge", "health"]
ENTRYPOINT ["converge"]
CMD ["serve"]
