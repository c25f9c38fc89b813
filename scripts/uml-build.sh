#!/bin/sh
# `npm run uml:build`: builds a user-mode-linux kernel from Debian's newest linux-source-7.x and puts it where the uml lane looks
# for it. It runs tests several times faster than Debian's own package (6.1), and has virtual time. Takes 8 minutes of one processor, 3 GB
# below the cache folder while it works, and no root; UML_JOBS says how many compilers run at once. The kernel is GPL-2 software;
# it is not part of this project.
set -eu
config=$(cd "$(dirname "$0")" && pwd)/uml.config
# test/uml/support/kernel.ts and scripts/test.mjs name the same place.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/calibird
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
mirror=${UML_MIRROR:-http://deb.debian.org/debian}

missing=
for program in gcc make flex bison bc xz dpkg-deb apt-get; do
  command -v "$program" >/dev/null || missing="$missing $program"
done
[ -z "$missing" ] || { echo "uml:build needs$missing: apt-get install gcc make flex bison bc xz-utils libc6-dev" >&2; exit 1; }
[ -e "$keyring" ] || { echo "uml:build needs $keyring: apt-get install debian-archive-keyring" >&2; exit 1; }

mkdir -p "$cache"
work=$(mktemp -d "$cache/uml-build.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cd "$work"

# Package lists of our own, so that the machine's are neither needed nor changed.
mkdir -p lists/partial cache/archives/partial source
for suite in trixie-backports sid; do echo "deb [signed-by=$keyring] $mirror $suite main"; done > sources.list
cat > apt.conf <<END
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "$work/lists";
Dir::Cache "$work/cache";
APT::Sandbox::User "";
END
export APT_CONFIG="$work/apt.conf"
apt-get update -qq
package=$(apt-cache pkgnames linux-source-7. | grep -E '^linux-source-7\.[0-9]+$' | sort -V | tail -1)
[ -n "$package" ] || { echo "uml:build: $mirror has no linux-source-7.x" >&2; exit 1; }
echo "downloading and unpacking $package"
apt-get download -qq "$package"
dpkg-deb --fsys-tarfile "$package"_*.deb | tar -xO "./usr/src/$package.tar.xz" | tar -xJ -C source --strip-components=1
rm -f "$package"_*.deb

cd source
make -s ARCH=um x86_64_defconfig
./scripts/kconfig/merge_config.sh -m -O . .config "$config" > "$work/merge.log"
make -s ARCH=um olddefconfig
for option in $(grep -oE '^CONFIG_[A-Z0-9_]+=y' "$config"); do
  grep -qx "$option" .config || echo "warning: this kernel does not take $option" >&2
done
echo "compiling"
make -s ARCH=um -j"${UML_JOBS:-$(nproc)}" linux
strip -s -o "$work/linux-uml" linux
"$work/linux-uml" --version
mv "$work/linux-uml" "$cache/linux-uml"
echo "$cache/linux-uml is ready; the uml lane uses it from now on"
