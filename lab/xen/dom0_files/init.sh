# dom0's first process. It starts Xen's daemons and the guests, and does what it is told over a serial port.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=dumb
exec < /dev/null > /dev/hvc0 2>&1
cd /root || exit

tell() { echo "dom0 [$(cut -d ' ' -f 1 /proc/uptime)] $*"; }
# Whoever waits outside is told, and dom0 stays, to be looked at.
trap 'tell "failed: $BASH_COMMAND"; [ -e /run/lab/failed ] || echo "$BASH_COMMAND" > /run/lab/failed' ERR

# No udev runs here, which would make these. xl's scripts wait for ever for their lock without /dev/stdin.
for link in fd: stdin:/0 stdout:/1 stderr:/2; do ln -sfn "/proc/self/fd${link#*:}" "/dev/${link%%:*}"; done
mkdir -p /dev/pts /dev/shm
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
for folder in /dev/shm /tmp; do mount -t tmpfs -o mode=1777 tmpfs "$folder"; done

# A request is a line of a word, a length and a command, and so many bytes, which are the command's input. The answer is
# the word, what the command prints, then the word and the command's exit status.
do_requests() {
    trap - ERR
    exec 3<> /dev/vport*p1
    while :; do
        # While nobody is connected outside, there is an end of file.
        read -r word length command <&3 || { sleep 0.3; continue; }
        echo "$word" >&3
        head -c "$length" <&3 | (eval "$command") >&3 2>&1 3>&-
        echo "$word $?" >&3
    done
}
modprobe virtio_console
do_requests &

modprobe -a xenfs xen-privcmd xen-evtchn xen-gntdev xen-gntalloc xen-blkback xen-netback bridge loop tun dummy
mount -t xenfs xenfs /proc/xen
hostname dom0
# Nobody sends but who is told to: not even to ask whether neighbours are still there.
sysctl -q net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 \
    net.ipv4.neigh.default.delay_first_probe_time=36000 net.ipv4.neigh.default.base_reachable_time_ms=36000000
ip link set lo up
for number in 0 1 2; do
    ip link add "br$number" type bridge
    ip addr add "10.92.$number.1/24" dev "br$number"
    ip link set "br$number" up
done

tell "Xen's daemons"
xen=$(echo /usr/lib/xen-[0-9]*/bin)
mkdir -p /run/xen /run/xenstored /var/log/xen /var/lib/xen
"$xen/oxenstored" --pid-file /run/xenstored.pid
until xenstore-read -s / > /dev/null 2>&1; do sleep 0.1; done
"$xen/xen-init-dom0"
xenconsoled --pid-file=/run/xenconsoled.pid
tell "libvirtd"
mkdir -p /run/libvirt /var/log/libvirt/libxl /var/lib/libvirt/libxl /var/cache/libvirt
LIBVIRT_LOG_OUTPUTS=3:file:/var/log/libvirt/libvirtd.log libvirtd -d

tell "guests"
mkdir -p /srv/lab
for disk in vm1-a vm1-b vm2-b vm2-c vm2-d lv1-a lv1-b lv1-c; do truncate -s 32M "/srv/lab/$disk.raw"; done
qemu-img create -q -f qcow2 /srv/lab/vm2-a.qcow2 32M
losetup /dev/loop100 /srv/lab/lv1-a.raw 2> /dev/null || { mknod /dev/loop100 b 7 100; losetup /dev/loop100 /srv/lab/lv1-a.raw; }
xl create -q /run/lab/vm1.cfg
xl create -q /run/lab/vm2.cfg
virsh -q -c xen:///system create /run/lab/lv1.xml
for guest in vm1 vm2 lv1; do
    tell "waits for $guest"
    python3 /run/lab/console.py "$guest" true
done
tell "up"
touch /run/lab/up
wait
