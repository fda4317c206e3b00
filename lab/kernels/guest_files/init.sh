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
mkdir /written/upper /written/work
mount -t overlay -o lowerdir=/host,upperdir=/written/upper,workdir=/written/work overlay /root
for folder in proc sys dev; do mount --move "/$folder" "/root/$folder"; done
for folder in /dev/pts /dev/shm /usr/lib/modules; do mkdir -p "/root$folder"; done
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /root/dev/pts
for folder in dev/shm tmp; do mount -t tmpfs -o mode=1777 tmpfs "/root/$folder"; done
mount -t tmpfs -o mode=755 tmpfs /root/run
mount -t cgroup2 cgroup2 /root/sys/fs/cgroup
mount --bind "/host$modules" /root/usr/lib/modules
echo "$shown" | while read -r folder; do
    [ -z "$folder" ] || { mkdir -p "/root$folder"; mount --bind "/host$folder" "/root$folder"; }
done
# Who is not root may run the project's Python, also where that is in root's home.
echo "$opened" | while read -r folder; do [ -z "$folder" ] || chmod o+x "/root$folder"; done
umount -l /host /written

# No udev runs here, which would make these.
for link in fd: stdin:/0 stdout:/1 stderr:/2; do ln -sfn "/proc/self/fd${link#*:}" "/root/dev/${link%%:*}"; done
chroot /root /sbin/modprobe -a $later
chmod 666 /root/dev/fuse /root/dev/net/tun
mount -t fusectl fusectl /root/sys/fs/fuse/connections
set_to() { [ ! -e "/root/proc/sys/$1" ] || echo "$2" > "/root/proc/sys/$1"; }
set_to kernel/unprivileged_userns_clone 1
set_to kernel/sysrq 1
# A kernel that fails reboots, and whoever waits outside is told so.
set_to kernel/panic 1
set_to kernel/panic_on_oops 1
hostname "kernel-$kernel"
ip link set lo up
exec switch_root /root "$python" -I -S "$agent"
