#!/bin/sh
# First process inside user-mode-linux; its root is the host's own file system. It puts a copy-on-write layer over that, so
# that nothing below can damage the host, runs $folder/command.sh, leaves the exit status in $folder/code, and halts.
# `calibird_uml_folder` comes from the kernel's command line.
set -e
folder=$calibird_uml_folder
unset calibird_uml_folder
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=dumb

# reboot(2) by number, since no program for it belongs to every Debian. Without it the kernel would end in a panic.
halt() { perl -e 'syscall(169, 0xfee1dead, 672274793, 0x4321fedc, 0)'; }
trap halt EXIT

mount -n -t proc proc /proc
mount -n -t tmpfs tmpfs /run
modules=/usr/lib/uml/modules/$(uname -r)
grep -qw overlay /proc/filesystems || insmod "$modules/kernel/fs/overlayfs/overlay.ko"

mkdir /run/upper /run/work /run/root
mount -n -t overlay -o lowerdir=/,upperdir=/run/upper,workdir=/run/work overlay /run/root
cd /run/root
mount -n -t proc proc proc
mount -n -t sysfs sysfs sys
mount -n -t tmpfs -o mode=755 tmpfs run
mkdir -p run/lock run/netns run/uml mnt dev/pts dev/shm
mount -n --rbind /dev dev
mkdir -p dev/pts dev/shm
mount -n -t devpts devpts dev/pts
mount -n -t tmpfs tmpfs dev/shm
for link in fd: stdin:/0 stdout:/1 stderr:/2; do ln -sfn "/proc/self/fd${link#*:}" "dev/${link%%:*}"; done
mount -n --bind "$folder" run/uml
if [ -d "$modules" ]; then
  mkdir -p usr/lib/modules
  mount -n --bind "${modules%/*}" usr/lib/modules
  mount -n -o remount,bind,ro usr/lib/modules
fi
# Not chroot: the kernel itself starts modprobe, in the root of the first process.
pivot_root . mnt
cd /
umount -n -l /mnt
ip link set lo up
echo uml > /proc/sys/kernel/hostname

set +e
sh /run/uml/command.sh > /run/uml/stdout 2> /run/uml/stderr < /dev/null
echo $? > /run/uml/code.new
mv /run/uml/code.new /run/uml/code
sync
