"""This machine's processes, block devices and network namespaces."""
