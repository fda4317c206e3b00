#!/bin/busybox sh
# The first and only process of a guest. It sets its interfaces up, then does what it is told on its console.
/bin/busybox mkdir -p /proc /sys /dev /tmp
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
# Nobody sends but who is told to: not even to ask whether neighbours are still there.
echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6
echo 36000 > /proc/sys/net/ipv4/neigh/default/delay_first_probe_time
echo 36000000 > /proc/sys/net/ipv4/neigh/default/base_reachable_time_ms
for module in $(cat /modules/order); do insmod "/modules/$module"; done

# Waits for a file, half a minute at most.
cat > /bin/await << 'END'
#!/bin/sh
for _ in $(seq 300); do [ -e "$1" ] && exit; sleep 0.1; done
echo "$1 does not come"
exit 1
END

# Sets an interface up; its number is the last byte of its MAC address.
cat > /bin/connect << 'END'
#!/bin/sh
number=$((0x$(cut -d : -f 6 "/sys/class/net/$1/address")))
host=$(sed 's/.*lab.host=\([0-9]*\).*/\1/' /proc/cmdline)
ip addr add "10.92.$number.$host/24" dev "$1"
ip link set "$1" up
END
chmod +x /bin/await /bin/connect
for interface in /sys/class/net/eth*; do connect "${interface##*/}"; done

stty -F /dev/hvc0 raw -echo
exec < /dev/hvc0 > /dev/hvc0 2>&1
# A line is a word and a command; the answer is what the command prints, then that word and the command's exit status.
while read -r word command; do
    (eval "$command") < /dev/null 2>&1
    echo "$word $?"
done
