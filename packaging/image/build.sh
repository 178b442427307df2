#!/bin/bash
# Makes the server's container image from the programs of ./dev build and this machine's own libraries: no registry, no
# base image, no Dockerfile.
#
#   packaging/image/build.sh [IMAGE]          imports it into Docker (default workspaced:latest)
#   packaging/image/build.sh --tar FILE       writes the root file system instead
#
# BUILD names another build folder. The image starts as root to take the group of the engine's socket, then runs as
# user 1000 (WORKSPACED_RUN_AS).
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

changes=(
  'ENV PATH=/usr/local/bin:/usr/bin:/bin WORKSPACED_DATA_DIR=/var/lib/workspaced WORKSPACED_RUN_AS=1000:1000 WORKSPACED_LISTEN=0.0.0.0:8080'
  'EXPOSE 8080/tcp'
  'VOLUME ["/var/lib/workspaced"]'
  'WORKDIR /var/lib/workspaced'
  'ENTRYPOINT ["/usr/local/lib/workspaced/workspaced"]'
  'CMD ["serve"]'
  'HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["/usr/local/lib/workspaced/workspaced", "health"]'
)

copy() { # copy FILE: to the same place, with the files that links lead to
  mkdir -p "$root$(dirname "$1")"
  cp -L --preserve=mode "$1" "$root$1"
}

programs() {
  local folder=$root/usr/local/lib/workspaced program
  mkdir -p "$folder" "$root/usr/local/bin"
  for program in src/workspaced ctl/workspacectl agent/workspace-agent; do
    install -m 0755 "$build/$program" "$folder/"
  done
  ln -s ../lib/workspaced/workspaced ../lib/workspaced/workspacectl "$root/usr/local/bin/"
}

libraries() { # all that the loader would load for our programs
  local library
  # Debian's merged /usr: the loader is asked for as /lib64/...
  mkdir -p "$root/usr/lib" "$root/usr/lib64"
  ln -s usr/lib "$root/lib"
  ln -s usr/lib64 "$root/lib64"
  while read -r library; do
    copy "$library"
  done < <(ldd "$build/src/workspaced" "$build/ctl/workspacectl" | grep -o '/[^ ]*\.so[^ ]*' | sort -u)
}

tools() { # the base image of workspaces is made from busybox; a shell for whoever looks inside
  local applet
  [[ -e /bin/busybox ]] || { echo "busybox-static is not installed" >&2; exit 1; }
  mkdir -p "$root/usr/bin"
  ln -s usr/bin "$root/bin"
  cp -L /bin/busybox "$root/usr/bin/busybox"
  for applet in sh ls cat ps id df env; do ln -s busybox "$root/usr/bin/$applet"; done
}

system() {
  mkdir -p "$root"/{etc,tmp,var/lib/workspaced,var/run,home/workspaced,usr/share}
  chmod 1777 "$root/tmp"
  printf 'root:x:0:0:root:/root:/bin/sh\nworkspaced:x:1000:1000::/home/workspaced:/bin/sh\n' >"$root/etc/passwd"
  printf 'root:x:0:\nworkspaced:x:1000:\n' >"$root/etc/group"
  printf 'passwd: files\ngroup: files\nhosts: files dns\n' >"$root/etc/nsswitch.conf"
  copy /etc/ssl/certs/ca-certificates.crt
  [[ ! -d /usr/share/zoneinfo ]] || cp -a /usr/share/zoneinfo "$root/usr/share/"
}

programs
libraries
tools
system
if [[ ${1:-} == --tar ]]; then
  tar -C "$root" --numeric-owner --owner=0 --group=0 -cf "${2:?file}" .
else
  tar -C "$root" --numeric-owner --owner=0 --group=0 -c . |
    docker import "${changes[@]/#/--change=}" - "${1:-workspaced:latest}"
fi
