"""Old data, new program: a whole gateway takes over the files of the first schema."""

import re
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.hil.cloud.stand_in import Cloud
from tests.support.ledger import ledger
from tests.support.site import Site

pytestmark = [pytest.mark.journey, pytest.mark.timeout(120)]

VECTORS = Path(__file__).parents[1] / "vectors" / "schema1"
WRITTEN_MS = 1_790_000_000_000
SEALED = "71b83eba8a7579cb35514e161d3b271820794ab46e7a4ba3831ea1d55e201f20"


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with tempfile.TemporaryDirectory(prefix="sg-cloud-") as folder:
        made = Cloud(Path(folder))
        made.init()
        made.start()
        yield made
        made.close()


def lay(sql: Path, path: Path) -> None:
    """Write the file that the dump is of, as if it had been written an hour ago."""
    later = round(time.time() * 1000) - 3_600_000 - WRITTEN_MS
    text = re.sub(r"\b179\d{10}\b", lambda found: str(int(found[0]) + later), sql.read_text())
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(text)


def test_old_data_and_a_new_program_serve(cloud: Cloud) -> None:
    with Site(cloud=cloud) as site:
        site.configure("uplink", batch_max_age_s=0.5, retry_ceiling_s=1.0)
        for name in ("spool", "state"):
            lay(VECTORS / f"{name}.sql", site.state_dir / f"{name}.db")
        status = site.start()
        assert [one["id"] for one in status["devices"]] == ["cam-01", "cam-02"]
        site.until(
            lambda now: all(
                now["spool"][name]["rows"] == 0 for name in ("alert", "error-log", "result", "log")
            ),
            "everything of before that may leave is delivered",
        )
        trace = site.trace()
        outcomes = {(one["device"], one["stream"], one["seq"]): one["outcome"] for one in trace}
        assert len(trace) == len(outcomes)
        assert outcomes == {
            **{("cam-01", "data", seq): "delivered" for seq in (*range(1, 10), 12)},
            ("cam-01", "data", 10): "queued",  # a metric
            ("cam-02", "alert", 1): "delivered",
            ("cam-02", "alert", 2): "delivered",
            ("cam-02", "data", 1): "dead-lettered",
            ("cam-02", "data", 2): "delivered",
        }
        held = {one["batch"]: one["rows"] for one in ledger(cloud)}
        assert held[SEALED] == 4  # sealed by the old program, sent by the new one, the same bytes
        first = next(one["batch"] for one in trace if one["seq"] == 1 and one["stream"] == "data")
        delivered = Counter(one["batch"] for one in trace if one["outcome"] == "delivered")
        del delivered[first]  # at the cloud since before
        assert dict(delivered) == held
        assert site.bug() == ""
        (cam,) = (one for one in site.status()["devices"] if one["id"] == "cam-01")
        assert (cam["epoch"], cam["data"]) == (7, 10)
        assert site.stop() == 0
        with closing(sqlite3.connect(site.state_dir / "spool.db")) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            # What still waits is sealed anew under the site's key, in the background.
            assert db.execute("SELECT count(*) FROM picture").fetchone() == (1,)
