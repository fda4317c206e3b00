"""Domain definitions in libvirt's XML."""
