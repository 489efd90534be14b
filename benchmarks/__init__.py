"""Side by side with what a user would pick instead.

    ./run bench [--quick] [--only NAME,...]      all of this, into docs/benchmarks.md

    __main__     the words of the command line, and the run from its start to its report
    load/        the load in C: the server behind, bulk, small messages, TLS
    generator    builds and starts that
    rivals       who is compared: each a configuration and a command
    rows         what is measured, as data
    measures     one row of one rival: figures
    rounds       rows and rivals in turn, so often
    figures      medians, and ratios of what was measured in the same round
    goals        what was to be reached, and whether it was
    report       figures as text, a page and JSON; `plot` as a picture
    machine      CPU time, memory, pinning, a network of its own

Smaller ones that answer one question each: `memory`, `tls_relay`.
"""
