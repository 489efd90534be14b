"""Bad networks between network namespaces of our own, and what must pass on them."""
