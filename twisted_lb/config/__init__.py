"""Text to frozen settings, every error at once.

`settings` is the form everybody reads; `load` makes it from TOML; nobody reads TOML later.
"""
