"""The embedded database: group commit, failures that stay with their cause, recovery, several processes."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
import stat
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from adapters.local.sqlite import Database
from adapters.local.sqlite_lane import Group
from adapters.local.sqlite_schema import MIGRATIONS, digest
from bridge.errors import Misconfigured, StoreFull, Unavailable

MOMENTS = (1_790_000_000_001, 1_790_000_000_999, 1_790_000_001_000)
INSERT = "INSERT INTO facts (tenant, kind, fact_id, value) VALUES ('t', 'team', ?, '{}')"
Work = Callable[[sqlite3.Connection], int]


def insert(name: str) -> Work:
    return lambda conn: conn.execute(INSERT, (name,)).rowcount


def names(conn: sqlite3.Connection) -> list[str]:
    return [row[0] for row in conn.execute("SELECT fact_id FROM facts ORDER BY fact_id")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "bridge.db"


@pytest.fixture
async def db(path: Path) -> AsyncIterator[Database]:
    async with Database(path) as db:
        yield db


class Gate:
    """Holds the writer thread inside a transaction, so that a test can line work up behind it."""

    def __init__(self, db: Database) -> None:
        self.opened = threading.Event()
        self.entered = threading.Event()
        self.job = db.write(self._hold)

    def _hold(self, conn: sqlite3.Connection) -> None:
        self.entered.set()
        assert self.opened.wait(10)

    async def closed(self) -> Gate:
        await asyncio.to_thread(self.entered.wait, 10)
        return self


async def traced(db: Database) -> list[str]:
    """Collect the writer's statements from now on."""
    statements: list[str] = []
    await db.write(lambda conn: conn.set_trace_callback(statements.append))
    statements.clear()
    return statements


# --- Group commit


async def test_waiting_work_shares_one_commit(db: Database) -> None:
    """However many callers wait while a commit is under way, the next commit is for all of them."""
    statements = await traced(db)
    gate = await Gate(db).closed()
    jobs = [db.write(insert(f"n{i:03}")) for i in range(200)]
    await asyncio.sleep(0)
    gate.opened.set()
    assert await asyncio.gather(*jobs) == [1] * 200
    assert statements.count("COMMIT") == 2  # the gate's, and one for the two hundred
    assert len(await db.read(names)) == 200


async def test_nothing_is_answered_before_its_commit(db: Database, path: Path) -> None:
    """At the moment a caller hears of success, another process can read it."""
    other = sqlite3.connect(path)
    try:
        for i in range(20):
            await db.write(insert(f"n{i}"))
            assert other.execute("SELECT count(*) FROM facts").fetchone()[0] == i + 1
    finally:
        other.close()


async def test_commits_reach_the_disk(db: Database) -> None:
    """WAL with synchronous=FULL (2), which syncs at each commit."""
    assert await db.write(lambda conn: conn.execute("PRAGMA journal_mode").fetchone()[0]) == "wal"
    assert await db.write(lambda conn: conn.execute("PRAGMA synchronous").fetchone()[0]) == 2


async def test_one_failure_among_many_costs_few_commits(db: Database) -> None:
    """The others are not made to wait for a transaction each."""

    def fail(conn: sqlite3.Connection) -> int:
        raise StopIteration

    statements = await traced(db)
    gate = await Gate(db).closed()
    jobs = [db.write(fail if i == 300 else insert(f"n{i}")) for i in range(512)]
    await asyncio.sleep(0)
    gate.opened.set()
    results = await asyncio.gather(*jobs, return_exceptions=True)
    assert [i for i, r in enumerate(results) if r != 1] == [300]
    assert statements.count("COMMIT") <= 1 + 9


async def test_a_failing_caller_fails_alone(db: Database) -> None:
    """Its neighbours in the same transaction are stored, and it leaves nothing behind."""

    def half(conn: sqlite3.Connection) -> int:
        conn.execute(INSERT, ("half",))
        raise ZeroDivisionError

    gate = await Gate(db).closed()
    jobs = [db.write(insert("a")), db.write(half), db.write(insert("b"))]
    await asyncio.sleep(0)
    gate.opened.set()
    results = await asyncio.gather(*jobs, return_exceptions=True)
    assert (results[0], type(results[1]), results[2]) == (1, ZeroDivisionError, 1)
    assert await db.read(names) == ["a", "b"]


async def test_grouped_work_is_run_together_and_fails_alone(db: Database) -> None:
    batches: list[int] = []
    rings: list[int] = []

    def store(conn: sqlite3.Connection, items: list[str]) -> list[int | Exception]:
        batches.append(len(items))
        if "broken" in items:
            raise ZeroDivisionError
        return [KeyError(i) if i == "refused" else conn.execute(INSERT, (i,)).rowcount for i in items]

    group: Group[str, int] = Group(store, after=lambda: rings.append(1))  # type: ignore[arg-type]
    gate = await Gate(db).closed()
    jobs = [db.write_grouped(group, item) for item in ("a", "refused", "broken", "b")]
    await asyncio.sleep(0)
    gate.opened.set()
    results = await asyncio.gather(*jobs, return_exceptions=True)
    assert [type(r) for r in results] == [int, KeyError, ZeroDivisionError, int]
    assert batches == [4, 2, 2, 1, 1]
    assert rings == [1]
    assert await db.read(names) == ["a", "b"]


async def test_a_caller_that_left_disturbs_nobody(db: Database) -> None:
    """Its work is done all the same, and the others get their answers."""
    gate = await Gate(db).closed()
    left = asyncio.create_task(_await(db.write(insert("left"))))
    stayed = db.write(insert("stayed"))
    await asyncio.sleep(0)
    left.cancel()
    gate.opened.set()
    assert await stayed == 1
    assert left.cancelled()
    assert await db.read(names) == ["left", "stayed"]


async def _await(future: asyncio.Future[int]) -> int:
    return await future


async def test_a_failing_read_fails_alone(db: Database) -> None:
    await db.write(insert("a"))
    bad = db.read(lambda conn: conn.execute("SELECT nothing FROM nowhere").fetchone())
    good = db.read(names)
    with pytest.raises(sqlite3.OperationalError):  # a mistake in our SQL is a bug, and shows as one
        await bad
    assert await good == ["a"]


# --- Bounds, closing


async def test_more_than_the_bound_is_refused_at_once(path: Path) -> None:
    async with Database(path, pending=3) as db:
        gate = await Gate(db).closed()
        jobs = [db.write(insert(name)) for name in "ab"]
        with pytest.raises(StoreFull):
            db.write(insert("c"))
        gate.opened.set()
        await asyncio.gather(*jobs)
        assert await db.write(insert("d")) == 1


async def test_close_finishes_what_was_submitted(path: Path) -> None:
    db = Database(path)
    jobs = [db.write(insert(f"n{i}")) for i in range(50)]
    await db.close()
    await db.close()
    assert [job.result() for job in jobs] == [1] * 50
    with pytest.raises(StoreFull):
        db.write(insert("late"))
    with pytest.raises(Unavailable):
        db.read(names)
    assert not [t for t in threading.enumerate() if t.name.startswith("sqlite-")]


async def test_closing_an_unused_database_is_fine(path: Path) -> None:
    await Database(path).close()


# --- When the disk does not take it


async def test_a_full_disk_refuses_writes_and_recovers(db: Database) -> None:
    """Reads go on, small work that still fits is done, and later writes work without a restart."""
    await db.write(insert("before"))
    pages = await db.write(lambda conn: conn.execute("PRAGMA page_count").fetchone()[0])
    await db.write(lambda conn: conn.execute(f"PRAGMA max_page_count = {pages}").fetchone())
    gate = await Gate(db).closed()
    jobs: list[asyncio.Future[int]] = [db.write(insert("x" * 50_000 + str(i))) for i in range(20)]
    small = db.write(lambda conn: conn.execute("DELETE FROM facts WHERE fact_id = 'before'").rowcount)
    await asyncio.sleep(0)
    gate.opened.set()
    results = await asyncio.gather(*jobs, return_exceptions=True)
    assert {type(r) for r in results} == {StoreFull}
    assert await small == 1
    assert await db.read(names) == []
    await db.write(lambda conn: conn.execute("PRAGMA max_page_count = 1000000").fetchone())
    assert await db.write(insert("y" * 50_000)) == 1


async def test_a_refused_group_is_not_tried_item_by_item(db: Database) -> None:
    """On a full disk twenty thousand waiting callers must hear of it in a moment, not in minutes."""
    tries: list[int] = []

    def store(conn: sqlite3.Connection, items: list[str]) -> list[int]:
        tries.append(len(items))
        return [conn.execute(INSERT, (item,)).rowcount for item in items]

    pages = await db.write(lambda conn: conn.execute("PRAGMA page_count").fetchone()[0])
    await db.write(lambda conn: conn.execute(f"PRAGMA max_page_count = {pages}").fetchone())
    group: Group[str, int] = Group(store)  # type: ignore[arg-type]
    gate = await Gate(db).closed()
    jobs = [db.write_grouped(group, "x" * 50_000 + str(i)) for i in range(50)]
    await asyncio.sleep(0)
    gate.opened.set()
    assert {type(r) for r in await asyncio.gather(*jobs, return_exceptions=True)} == {StoreFull}
    assert len(tries) < 10


async def test_a_lock_held_elsewhere_refuses_writes_and_recovers(path: Path) -> None:
    async with Database(path, busy_seconds=0.1) as db:
        other = sqlite3.connect(path, isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            started = time.monotonic()
            results = await asyncio.gather(*(db.write(insert(n)) for n in "abc"), return_exceptions=True)
            assert {type(r) for r in results} == {StoreFull}
            assert time.monotonic() - started < 1.5  # waited once for all, not once for each
            assert await db.read(names) == []
            other.execute("ROLLBACK")
        finally:
            other.close()
        assert await db.write(insert("a")) == 1


async def test_an_io_error_opens_the_file_anew(db: Database) -> None:
    """A connection that has seen an I/O error is not trusted again."""
    seen: list[sqlite3.Connection] = []
    await db.write(seen.append)

    def fail(conn: sqlite3.Connection) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode, error.sqlite_errorname = sqlite3.SQLITE_IOERR_WRITE, "SQLITE_IOERR_WRITE"
        raise error

    with pytest.raises(StoreFull, match="SQLITE_IOERR_WRITE"):
        await db.write(fail)
    assert await db.write(insert("works")) == 1
    await db.write(seen.append)
    assert seen[0] is not seen[1]


async def test_a_disk_that_is_read_only_at_the_start_does_not_stop_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says StoreFull (the door answers 503) until the disk can be written to."""

    def refuse(path: Path, busy_seconds: float) -> sqlite3.Connection:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr("adapters.local.sqlite.connect", refuse)
        db = Database(path)
        with pytest.raises(StoreFull):
            await db.ping()
        with pytest.raises(Unavailable):
            await db.read(names)
    await db.ping()
    assert await db.read(names) == []
    await db.close()


# --- Files that are not ours to use


def test_a_damaged_file_stops_the_start(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is no database" * 1000)
    with pytest.raises(Misconfigured, match=r"damaged.*backup"):
        Database(path)


async def test_a_newer_file_stops_the_start(path: Path) -> None:
    """And is left as it is."""
    async with Database(path) as db:
        await db.write(lambda conn: conn.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}").rowcount)
    with pytest.raises(Misconfigured, match="newer version"):
        Database(path)
    conn = sqlite3.connect(path)
    assert conn.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS) + 1
    conn.close()


def test_a_path_that_cannot_be_a_file_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "bridge.db"):
        with pytest.raises(Misconfigured, match="BRIDGE_DATA_DIR"):
            Database(path)


async def test_the_file_is_private(path: Path) -> None:
    """It holds messages. So do its neighbours."""
    async with Database(path) as db:
        await db.write(insert("a"))
        files = list(path.parent.iterdir())
        assert {f.name for f in files} == {"bridge.db", "bridge.db-wal", "bridge.db-shm"}
        assert {stat.S_IMODE(f.stat().st_mode) for f in files} == {0o600}


def test_many_may_open_a_new_file_at_once(path: Path) -> None:
    """The tables are made once, whoever comes first."""
    errors: list[BaseException] = []

    def open_it() -> None:
        try:
            Database(path)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


# --- Other processes, housekeeping


async def test_a_change_by_another_process_rings(db: Database, path: Path) -> None:
    """While somebody listens, and not for ever after."""
    bell = asyncio.Event()
    async with Database(path) as other:
        with db.listen(bell.set):
            await asyncio.sleep(0.1)
            bell.clear()
            await other.write(insert("a"))
            await asyncio.wait_for(bell.wait(), 1)
        await asyncio.sleep(0.1)
        bell.clear()
        await other.write(insert("b"))
        await asyncio.sleep(0.1)
        assert not bell.is_set()


async def test_what_has_expired_is_swept_in_small_steps(path: Path) -> None:
    now = 1000.0
    async with Database(path, now=lambda: now) as db:
        rows = [(i.to_bytes(16, "big"), 1000.0 + i) for i in range(1, 1301)]
        await db.write(lambda conn: conn.executemany("INSERT INTO dedupe VALUES (?, ?)", rows).rowcount)
        statements = await traced(db)
        assert await db.sweep() == 0
        now = 2200.0
        assert await db.sweep() == 1200
        assert sum(s.startswith("DELETE FROM dedupe") for s in statements) == 1 + 3
        assert await db.read(lambda conn: conn.execute("SELECT count(*) FROM dedupe").fetchone()[0]) == 100


async def test_sweeping_goes_on_by_itself(path: Path) -> None:
    async with Database(path, now=lambda: 2000.0, sweep_seconds=0.02) as db:
        row = (b"k", 1999.0)
        await db.write(lambda conn: conn.execute("INSERT INTO dedupe VALUES (?, ?)", row).rowcount)
        for _ in range(50):
            await asyncio.sleep(0.02)
            if not await db.read(lambda conn: conn.execute("SELECT count(*) FROM dedupe").fetchone()[0]):
                break
        else:
            pytest.fail("the expired row is still there")


def test_keys_of_one_time_lie_side_by_side() -> None:
    """By the last moment that a key names: the message, not the thread that it answers in."""
    one, near, later = (digest("t", f"teams:19:x/1700000000000/{at}:create") for at in MOMENTS)
    assert one[:4] == near[:4] < later[:4]
    assert len({one, near, later}) == 3
    assert {len(one), len(digest("t", "freshchat:a/b:create"))} == {16}
