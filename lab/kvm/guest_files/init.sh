#!/bin/busybox sh
# The first and only process of the lab's guest. It sets its interfaces up, then does what it is told on its serial line.
/bin/busybox mkdir -p /proc /sys /dev /tmp
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6 # nobody sends but who is told to
for module in $(cat /modules/order); do insmod "/modules/$module"; done

# An interface's number is the last byte of its MAC address; one that is plugged in later stays down.
for interface in /sys/class/net/eth*; do
    number=$((0x$(cut -d : -f 6 "$interface/address")))
    ip addr add "10.91.$number.1/24" dev "${interface##*/}"
    ip link set "${interface##*/}" up
done

stty -F /dev/ttyS0 raw -echo
exec < /dev/ttyS0 > /dev/ttyS0 2>&1
# A line is a word and a command; the answer is what the command prints, then that word and the command's exit status.
while read -r word command; do
    (eval "$command") < /dev/null 2>&1
    echo "$word $?"
done
