"""TOML text to frozen settings, every error at once. Sans-I/O.

`load` is the way in: `locate` finds the lines, `read` makes a Document as it is written, `cross`
lets the rules look at it, `document` settles it into Settings. Which keys there are is data:
`tables`, of the kinds in `values`, `units` and `addresses`; `applies` says which keys need another
one. `dump` is the way back, `advice` what may surprise. Everybody else reads `settings` only.
"""
