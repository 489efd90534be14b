"""What each protocol means: bytes in, actions out. Sans-I/O.

opaque and terminal bytes need no machine: `relay` moves them. `ftp/` reads the control channel.
"""
