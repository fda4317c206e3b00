"""QEMU's command line: the disks and network devices that it defines."""
