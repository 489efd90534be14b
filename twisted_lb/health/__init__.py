"""Whether the servers live: checks, the verdicts drawn from them, and names looked up again.

`thresholds` and `agent` are pure; `probes` asks one server once, over one `visit`; `watch` asks all
servers for ever; `names` keeps their addresses. Both of these are a `rounds` service.
"""
