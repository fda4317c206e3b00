"""Domains that libvirt manages: from its status files, and over a connection to its daemon."""
