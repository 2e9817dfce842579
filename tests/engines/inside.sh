#!/bin/bash
# Process 1 of a private engine, in its own mount and process namespaces: changes into the root file
# system (when there is one), gives the engine a /run of its own, runs it, reaps its orphans.
# Everything mounted here goes with the namespace, so nothing has to be unmounted later.
#
#   inside.sh DATA ROOTFS|- COMMAND...
set -euo pipefail
data=$1 rootfs=$2
shift 2

# In a namespace of its own, where it has a name of its own.
[ -z "$ENGINE_HOSTNAME" ] || echo "$ENGINE_HOSTNAME" > /proc/sys/kernel/hostname

if [ "$rootfs" != - ]; then
  # The cached root file system stays untouched and can be shared: writes go to memory.
  scratch=$data/rootfs
  mkdir -p "$scratch"
  mount -t tmpfs -o mode=755 tmpfs "$scratch"
  mkdir "$scratch/upper" "$scratch/work" "$scratch/merged"
  new=$scratch/merged
  mount -t overlay -o "lowerdir=$rootfs,upperdir=$scratch/upper,workdir=$scratch/work" overlay "$new"
  # The data folder keeps its path, so that what the engine says of its disk is true outside as well.
  mkdir -p "$new$data"
  mount --bind "$data" "$new$data"
  mount -t proc proc "$new/proc"
  mount --rbind /sys "$new/sys"
  mount --rbind /dev "$new/dev"
  cp /etc/resolv.conf /etc/hosts "$new/etc/" 2>/dev/null || true
  cd "$new"
  mkdir -p .outside
  pivot_root . .outside
  cd /
  umount -l /.outside
fi

mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock

# One that ends is started again where that was asked for (`Engine.restart`).
while true; do
  code=0
  "$@" &
  wait $! || code=$?
  [ -e "$data/restart" ] || exit "$code"
  rm "$data/restart"
done
