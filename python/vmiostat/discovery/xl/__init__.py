"""Domain definitions in the formats of Xen's xl."""
