"""Bytes to values and back, one file per format. Sans-I/O: no sockets, no clocks, no state kept
between messages but what an incremental parser needs to give the same verdict for every split.
"""
