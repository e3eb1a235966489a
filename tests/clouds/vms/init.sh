#!/bin/bash
# The first process of a machine: makes its root folder and devices, and becomes systemd.
# init.sh FOLDER TREE HOST_NAME ADDRESS/PREFIX GATEWAY RIGHTS-LEFT-OUT
set -eu
dir=$1 tree=$2 name=$3 address=$4 gateway=$5 without=$6
console=$(readlink /proc/self/fd/2) # 1 is this pipe
read -r pid _ </proc/self/stat # this /proc is still the outer one
start=$(sed 's/.*) //' "/proc/$pid/stat" | cut -d' ' -f20)
mount --make-rprivate /
mount -t overlay oceanid-vm -o "lowerdir=$tree,upperdir=$dir/upper,workdir=$dir/work" "$dir/root"
cd "$dir/root"
hostname "$name"
echo "$name" >etc/hostname
mount -t proc proc proc
# Settings of the kernel belong to the machine below; those of the network to this one.
mount --bind proc/sys proc/sys
mount --bind proc/sys/net proc/sys/net
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755,nosuid dev dev
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev shm dev/shm
for each in null zero full random urandom tty; do
    touch "dev/$each"
    mount --bind "/dev/$each" "dev/$each"
done
touch dev/console
mount --bind "$console" dev/console
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
mount -t tmpfs -o mode=755,nosuid,nodev run run
mount -t tmpfs -o mode=1777,nosuid,nodev tmp tmp
echo "$pid $start" >"$dir/pid.new"
mv "$dir/pid.new" "$dir/pid"
for ((i = 0; i < 500; i++)); do
    ip link show eth0 >/dev/null 2>&1 && break
    sleep 0.02
done
ip link set lo up
ip addr add "$address" dev eth0
ip link set eth0 up
ip route add default via "$gateway"
mkdir -p .outer
pivot_root . .outer
umount -l .outer
rmdir .outer
exec env -i container=oceanid-vm PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    setpriv --bounding-set="$without" \
    /lib/systemd/systemd --system systemd.show_status=0 </dev/console >/dev/console 2>&1
