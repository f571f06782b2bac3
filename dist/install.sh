#!/bin/sh
# Puts odmr, its manual and its completions where they belong, after it has checked the archive against SHA256SUMS.
#   sh install.sh odmr-VERSION-linux-x64.tar.gz [PREFIX]
# SHA256SUMS must lie beside the archive. PREFIX is /usr/local; nothing is downloaded, configured or started.
# As root on Linux, with no other PREFIX, it does what the Debian package does, too: the user odmr, /etc/odmr, /var/lib/odmr
# and, for systemd, the units.
set -eu

archive=${1:?name the archive: sh install.sh odmr-VERSION-linux-x64.tar.gz [PREFIX]}
prefix=${2:-/usr/local}
name=$(basename "$archive")
sums=$(dirname "$archive")/SHA256SUMS

[ -f "$archive" ] || { echo "install.sh: there is no $archive" >&2; exit 66; }
[ -f "$sums" ] || { echo "install.sh: there is no $sums; get it from where the archive is from" >&2; exit 66; }
want=$(sed -n "s/^\([0-9a-f]\{64\}\)  $name\$/\1/p" "$sums")
[ -n "$want" ] || { echo "install.sh: $sums does not name $name" >&2; exit 65; }
if command -v sha256sum >/dev/null; then have=$(sha256sum "$archive"); else have=$(shasum -a 256 "$archive"); fi
[ "${have%% *}" = "$want" ] || { echo "install.sh: $archive is not what $sums says; get both again" >&2; exit 65; }

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
tar -xzf "$archive" -C "$place" --strip-components=1
mkdir -p "$prefix/bin" "$prefix/share/man"
# First beside its place, then renamed: what runs goes on, and nobody sees half a binary.
cp "$place/odmr" "$prefix/bin/.odmr.new"
chmod 755 "$prefix/bin/.odmr.new"
mv -f "$prefix/bin/.odmr.new" "$prefix/bin/odmr"
cp -R "$place/man/." "$prefix/share/man/"
complete() { mkdir -p "$prefix/share/$2"; cp "$place/completions/$1" "$prefix/share/$2/$1"; }
complete odmr bash-completion/completions
complete _odmr zsh/site-functions
complete odmr.fish fish/vendor_completions.d

if [ "$(id -u)" = 0 ] && [ "$(uname -s)" = Linux ] && [ "$prefix" = /usr/local ]; then
  if ! grep -q '^odmr:' /etc/passwd; then
    # BusyBox has adduser alone.
    if command -v useradd >/dev/null; then
      useradd --system --user-group --home-dir /var/lib/odmr --no-create-home --shell /usr/sbin/nologin odmr
    else
      addgroup -S odmr && adduser -S -D -H -h /var/lib/odmr -s /sbin/nologin -G odmr odmr
    fi
  fi
  folder() { [ -d "$3" ] || { mkdir -p "$3"; chown "$1" "$3"; chmod "$2" "$3"; }; }
  folder odmr:odmr 0700 /var/lib/odmr
  folder root:odmr 0750 /etc/odmr
  if [ -d /run/systemd/system ]; then
    mkdir -p "$prefix/lib/systemd/system"
    for unit in "$place"/systemd/*; do
      sed "s|/usr/bin/odmr|$prefix/bin/odmr|" "$unit" >"$prefix/lib/systemd/system/$(basename "$unit")"
    done
    systemctl daemon-reload
  fi
fi
"$prefix/bin/odmr" --version
