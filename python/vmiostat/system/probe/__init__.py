"""System calls that may hang in the kernel, made by a helper process that can be given up."""
