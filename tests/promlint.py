"""What Prometheus' own `promtool check metrics` says of a scrape, and what we forbid besides."""

from __future__ import annotations

import re
from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

FORBIDDEN_LABELS = {"client", "address", "peer", "source", "user", "session", "path", "key", "sni"}
"""What a peer chooses: each value would be a series."""
ABBREVIATED = {"s", "ms", "us", "ns", "sec", "secs", "kb", "mb", "gb", "b", "pct", "percent"}
NOT_BASE = {"milliseconds", "microseconds", "minutes", "hours", "days", "bits", "kilobytes"}
UNITS = {"seconds", "bytes"}
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count")}


def families(text: bytes) -> dict[str, Metric]:
    """The families of a scrape by the name that its TYPE line says."""
    parsed = text_string_to_metric_families(text.decode("utf-8"))
    return {family.name + "_total" * (family.type == "counter"): family for family in parsed}


def labels(family: Metric) -> set[str]:
    """The labels of its samples, but for the limits of a histogram."""
    return {label for sample in family.samples for label in sample.labels} - {"le"}


def lint(text: bytes) -> list[str]:
    """What is wrong with a scrape; nothing when it is right."""
    found = [f"{name}: {why}" for name, f in families(text).items() for why in _family(name, f)]
    return [*found, *_lines(text.decode())]


def _lines(text: str) -> Iterator[str]:
    """What a parser forgives."""
    if not text.endswith("\n"):
        yield "the last line has no end"
    helped = re.findall(r"^# HELP (\S+) \S", text, re.M)
    typed = re.findall(r"^# TYPE (\S+) (?:counter|gauge|histogram)$", text, re.M)
    if helped != typed or len(set(typed)) != len(typed):
        yield "every family has one HELP and one TYPE, in this order"
    for name in re.findall(r"^# TYPE (\S+)(?<!_total) counter$", text, re.M):
        yield f"{name}: a counter, and not _total"
    ends = "|".join(SUFFIXES["histogram"])
    for name in dict.fromkeys(re.findall(r"^([a-z_:]\w*)", text, re.M)):
        if name not in typed and re.sub(f"({ends})$", "", name) not in typed:
            yield f"{name}: a sample without HELP and TYPE"
    series = re.findall(r"^([^#\n]+) \S+$", text, re.M)
    if len(series) != len(set(series)):
        yield "a series is there twice"


def _family(name: str, family: Metric) -> Iterator[str]:
    words = name.split("_")
    if not re.fullmatch(r"twisted_lb_[a-z][a-z0-9_]*", name) or "__" in name:
        yield "not a name of ours"
    if not family.documentation.strip().endswith((".", "…")):
        yield "no HELP that is a sentence"
    if (family.type == "counter") != name.endswith("_total"):
        yield f"a {family.type}, and _total is of counters"
    if family.type != "histogram" and name.endswith(SUFFIXES["histogram"]):
        yield "a name of a histogram's series"
    if {"counter", "gauge", "histogram", "summary"} & set(words):
        yield "its type stands in its name"
    if (ABBREVIATED | NOT_BASE) & set(words):
        yield "not a base unit"
    if (UNITS & set(words)) and not name.removesuffix("_total").endswith(tuple(UNITS)):
        yield "its unit does not stand at its end"
    yield from _labels(family)


def _labels(family: Metric) -> Iterator[str]:
    for label in sorted(labels(family)):
        if label in FORBIDDEN_LABELS:
            yield f"label {label}: a peer chooses its values"
        if not re.fullmatch(r"[a-z][a-z0-9_]*", label):
            yield f"label {label}: not a name for one"
    shapes = {frozenset(s.labels) for s in family.samples if "_bucket" not in s.name}
    if len(shapes) > 1:
        yield "its series do not all have the same labels"
