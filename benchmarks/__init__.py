"""Side by side with what a user would pick instead.

    ./run bench [--quick] [--only NAME,...]      all of this, into docs/benchmarks.md

    __main__     the words of the command line, and the run from its start to its report
    load/        the load in C: the servers behind, bulk, small messages, TLS, FTP
    generator    builds and starts that
    rivals       where a rival lives and how it runs; `others` and `ours` who they are
    rows         what is measured, as data
    measures     one row of one rival: figures
    rounds       rows and rivals in turn, so often
    figures      medians, and ratios of what was measured in the same round
    goals        what was to be reached, and whether it was
    report       figures as tables; `page` (words: page.md), and `plot`, a picture
    machine      CPU time, memory, pinning, a network of its own

Smaller ones that answer one question each: `memory`, `tls_relay`.
"""
