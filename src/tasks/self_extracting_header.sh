#!/bin/sh
# Converge. Behind this header: the runtime, then the program, both gzipped. Each is unpacked once.
set -eu
mask=$(umask)
umask 077
if [ -n "${CONVERGE_UNPACK:-}" ]; then
  cache=$CONVERGE_UNPACK
elif [ -n "${XDG_CACHE_HOME:-}" ]; then
  cache=$XDG_CACHE_HOME/converge
elif [ -n "${HOME:-}" ] && [ -w "$HOME" ]; then
  cache=$HOME/.cache/converge
else
  cache=${TMPDIR:-/tmp}/converge-$(id -u)
fi
mkdir -p "$cache"
# In a shared place somebody else may have made the directory: what lies there must not be run.
if [ ! -O "$cache" ] || [ -L "$cache" ]; then
  echo "converge: cannot unpack into $cache: it belongs to somebody else (CONVERGE_UNPACK names another directory)" >&2
  exit 1
fi
chmod 0700 "$cache"

# unpack NAME BYTES_FROM_END BYTES
unpack() {
  [ -x "$cache/$1" ] && return
  unfinished=$(mktemp "$cache/.unpack-XXXXXX")
  trap 'rm -f "$unfinished"' EXIT
  trap 'exit 143' INT TERM HUP
  if ! tail -c "$2" "$self" | head -c "$3" | gzip -dc >"$unfinished"; then
    echo "converge: cannot unpack $1 into $cache" >&2
    exit 1
  fi
  chmod 0700 "$unfinished"
  sync "$unfinished" 2>/dev/null || sync
  mv -f "$unfinished" "$cache/$1"
  trap - EXIT INT TERM HUP
}

self=$0
unpack @RUNTIME_NAME@ $((@RUNTIME_BYTES@ + @BUNDLE_BYTES@)) @RUNTIME_BYTES@
unpack @BUNDLE_NAME@ @BUNDLE_BYTES@ @BUNDLE_BYTES@

umask "$mask"
# A node's Worker is started from the program's own file: hence the read permission on it.
DENO_DIR=$cache/deno DENO_NO_UPDATE_CHECK=1 exec "$cache/@RUNTIME_NAME@" run \
  --no-config --no-lock --no-remote --no-npm @PERMISSIONS@ "--allow-read=$cache/@BUNDLE_NAME@" \
  "$cache/@BUNDLE_NAME@" "$@"
