"""Xen domains: from xenstore, and from the kernel's backend devices in sysfs."""
