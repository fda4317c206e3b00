#!/bin/busybox sh
# busy on|off: a little traffic on every interface that has an address, and I/O past the page cache on every disk.
case $1 in
on)
    [ -e /tmp/busy ] || { touch /tmp/busy; busy work > /dev/null 2>&1 & }
    ;;
work)
    while [ -e /tmp/busy ]; do
        for number in 0 1 2 3; do
            ping -q -c 3 -i 0.01 -W 1 -s 1000 "10.91.$number.254"
        done
        for disk in vda vdb sda hda; do
            [ -e "/sys/block/$disk" ] || continue
            dd if=/dev/zero of="/dev/$disk" bs=4k count=4 seek=$((RANDOM % 200)) oflag=direct conv=notrunc
            dd if="/dev/$disk" of=/dev/null bs=8k count=4 skip=$((RANDOM % 200)) iflag=direct
        done
        sync
        sleep 0.1
    done
    touch /tmp/idle
    ;;
off)
    [ -e /tmp/busy ] || exit 0
    rm -f /tmp/idle /tmp/busy
    until [ -e /tmp/idle ]; do sleep 0.1; done
    ;;
esac
