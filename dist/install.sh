#!/bin/sh
# Puts odmr and its manual where they belong, after it has checked the archive against SHA256SUMS.
#   sh install.sh odmr-VERSION-linux-x64.tar.gz [PREFIX]
# SHA256SUMS must lie beside the archive. PREFIX is /usr/local; nothing is downloaded, configured or started.
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
"$prefix/bin/odmr" --version
