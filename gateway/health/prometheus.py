"""prometheus_client: the exposition format, and the histogram of commits.

The histogram is observed on the writers' threads, which prometheus_client allows.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Final, cast

from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.health.metric import PREFIX, Family, Kind, Sample

COMMIT: Final = "commit_duration_seconds"
COMMIT_WORDS: Final = "How long a COMMIT took, the disk's sync in it."
BUCKETS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

# A second series beside each, of no use.
cast("Callable[[], None]", disable_created_metrics)()


class _Now(Collector):
    """What the families say at one moment."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._samples = samples

    def collect(self) -> Iterable[Metric]:
        families: dict[Family, GaugeMetricFamily | CounterMetricFamily] = {}
        for sample in self._samples:
            if sample.family not in families:
                families[sample.family] = _made(sample.family)
            families[sample.family].add_metric(sample.labels, sample.value)
        return families.values()


def _made(family: Family) -> GaugeMetricFamily | CounterMetricFamily:
    made = CounterMetricFamily if family.kind is Kind.COUNTER else GaugeMetricFamily
    return made(PREFIX + family.name, family.words, labels=family.labels)


class Exposition:
    """One a process: it owns the histogram, and writes the whole text."""

    def __init__(self) -> None:
        self._own = CollectorRegistry()
        self._commits = Histogram(
            PREFIX + COMMIT, COMMIT_WORDS, ["file"], buckets=BUCKETS_S, registry=self._own
        )

    def commits_of(self, file: str) -> Callable[[], AbstractContextManager[object]]:
        """Return what times each commit of ``file``."""
        return self._commits.labels(file).time

    def text(self, samples: Iterable[Sample]) -> bytes:
        """Return the exposition (text format 0.0.4) of ``samples`` and of the histogram."""
        once = CollectorRegistry()
        once.register(_Now(samples))
        return generate_latest(once) + generate_latest(self._own)
