"""Where domains and their devices are found: one module a provider."""
