"""iostat for virtual machines: the disk and network counters of every VM on a Linux host, read straight from the kernel."""
