#!/bin/busybox sh
# The machine's first process until it has its root: the host's, read-only, below a tmpfs that takes what is written.
set -e
/bin/busybox mkdir -p /proc /sys /dev /host /written /root
/bin/busybox --install -s /bin
export PATH=/bin
. /settings
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in $(cat /modules/order); do insmod "/modules/$module"; done

mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=512000,cache=loose host /host
mount -t tmpfs tmpfs /written
show() {
    mkdir -p "/root$1" "/written$1/upper" "/written$1/work"
    mount -t overlay -o "lowerdir=/host$1,upperdir=/written$1/upper,workdir=/written$1/work" overlay "/root$1"
}
show /
for folder in proc sys dev; do mount --move "/$folder" "/root/$folder"; done
for folder in /dev/pts /dev/shm /usr/lib/modules; do mkdir -p "/root$folder"; done
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /root/dev/pts
for folder in dev/shm tmp; do mount -t tmpfs -o mode=1777 tmpfs "/root/$folder"; done
mount -t tmpfs -o mode=755 tmpfs /root/run
mount -t cgroup2 cgroup2 /root/sys/fs/cgroup
mount --bind "/host$modules" /root/usr/lib/modules
echo "$shown" | while read -r folder; do [ -z "$folder" ] || show "$folder"; done
# Unprivileged users may run the project's Python, even if it is in root's home.
echo "$opened" | while read -r folder; do [ -z "$folder" ] || chmod o+rx "/root$folder"; done
umount -l /host /written

# udev would make these, but none runs here.
for link in fd: stdin:/0 stdout:/1 stderr:/2; do ln -sfn "/proc/self/fd${link#*:}" "/root/dev/${link%%:*}"; done
chroot /root /sbin/modprobe -a $later
chmod 666 /root/dev/fuse /root/dev/net/tun
mount -t fusectl fusectl /root/sys/fs/fuse/connections
set_to() { [ ! -e "/root/proc/sys/$1" ] || echo "$2" > "/root/proc/sys/$1"; }
set_to kernel/unprivileged_userns_clone 1
set_to kernel/sysrq 1
# A kernel that fails reboots: that is what the host side can report.
set_to kernel/panic 1
set_to kernel/panic_on_oops 1
hostname "kernel-$kernel"
ip link set lo up
exec switch_root /root "$python" -I -S "$agent"
