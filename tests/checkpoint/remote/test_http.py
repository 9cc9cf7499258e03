"""Ranges of remote files: right bytes or a clear error, whatever the server does."""

import pickle
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_gpt2_tomo.base import Cancelled, CheckpointError, SilentProgress
from napari_gpt2_tomo.checkpoint.address import Address
from napari_gpt2_tomo.checkpoint.region import Region
from napari_gpt2_tomo.checkpoint.remote.http import HttpSource, probe
from napari_gpt2_tomo.checkpoint.remote.link import WebLink, public
from napari_gpt2_tomo.checkpoint.remote.traffic import Traffic, watched

from .server import RangeServer

SIZE = 3_000_017
DATA = np.random.default_rng(1).integers(0, 256, SIZE, np.uint8)
PATH = "/models/data.bin"


def opened(url: str) -> HttpSource:
    traffic, link = Traffic(), WebLink(url)
    version, head = probe(link, traffic)
    return HttpSource(Address(link.name), link, version, traffic, head)


@pytest.fixture
def url(server: RangeServer) -> str:
    return server.add(PATH, DATA.tobytes(), etag='"one"')


@pytest.fixture
def source(url: str) -> HttpSource:
    return opened(url)


def test_knows_the_size_from_the_first_bytes(source: HttpSource, server: RangeServer) -> None:
    assert source.size == SIZE
    assert [asked.method for asked in server.asked] == ["GET"]
    assert server.sent <= 1 << 14


@pytest.mark.parametrize(
    ("start", "stop"),
    [(0, 10), (0, SIZE), (SIZE - 1, SIZE), (5, 5), (4095, 4097), (1 << 18, 1 << 19)],
)
def test_gives_the_bytes_of_a_range(source: HttpSource, start: int, stop: int) -> None:
    got = source.read(start, stop)
    assert np.array_equal(got, DATA[start:stop])
    assert not got.flags.writeable


@pytest.mark.parametrize(("start", "stop"), [(-1, 5), (5, 4), (0, SIZE + 1)])
def test_refuses_ranges_outside_the_file(source: HttpSource, start: int, stop: int) -> None:
    with pytest.raises(CheckpointError, match="outside"):
        source.read(start, stop)


@pytest.fixture(scope="module")
def shared():
    served = RangeServer()
    yield opened(served.add(PATH, DATA.tobytes(), etag='"shared"'))
    served.close()


@settings(max_examples=60)
@given(data=st.data())
def test_gives_any_ranges_in_their_order(shared: HttpSource, data: st.DataObject) -> None:
    bound = st.integers(0, SIZE)
    ranges = data.draw(st.lists(st.tuples(bound, st.integers(0, 200_000)), max_size=8))
    asked = np.array([(a, min(a + n, SIZE)) for a, n in ranges], np.int64).reshape(-1, 2)
    got = list(shared.read_many(asked))
    for (start, stop), part in zip(asked.tolist(), got, strict=True):
        assert np.array_equal(part, DATA[start:stop])


def test_gathers_strided_boxes(source: HttpSource) -> None:
    matrix = DATA[8 : 8 + 2 * 1000 * 1400].view(np.uint16).reshape(1000, 1400)
    for box in (np.s_[:, :200], np.s_[::7, 3:9], np.s_[5, :], np.s_[:, 1399]):
        rows, columns = (item if isinstance(item, slice) else slice(item, item + 1) for item in box)
        ranges = [
            range(*item.indices(n)) for item, n in zip((rows, columns), matrix.shape, strict=True)
        ]
        region = Region(
            ranges[0].start * 1400 + ranges[1].start,
            (len(ranges[0]), len(ranges[1])),
            (1400 * ranges[0].step, ranges[1].step),
        )
        got = source.gather(8, region, np.dtype("<u2"))
        assert np.array_equal(got, matrix[rows, columns])
    assert source.gather(8, Region(0, (0, 4), (4, 1)), np.dtype("<u2")).shape == (0, 4)


def test_reads_long_ranges_over_several_connections_that_stay_open(
    source: HttpSource, server: RangeServer
) -> None:
    server.delay = 0.02
    server.forget()
    source.read(0, SIZE)
    assert 1 < server.most_at_once <= 8
    source._store.folder = source._store.folder / "elsewhere"
    before = server.connections
    source.read(0, SIZE)
    assert server.connections <= before + 1


def test_reads_nothing_twice(source: HttpSource, url: str, server: RangeServer) -> None:
    source.read(100_000, 400_000)
    server.forget()
    source.read(100_000, 400_000)
    source.read(250_000, 260_000)
    assert not server.asked
    again = opened(url)
    server.forget()
    assert np.array_equal(again.read(200_000, 400_000), DATA[200_000:400_000])
    assert not server.asked
    assert again.counter.reused >= 200_000


def test_counts_what_it_reads(source: HttpSource, server: RangeServer) -> None:
    source.read(1_000_000, 1_100_000)
    assert source.counter.received == server.sent
    assert source.counter.requests == len(server.asked)


def test_goes_on_where_a_connection_broke(source: HttpSource, server: RangeServer) -> None:
    server.fail(drop_after=100_000, times=3)
    server.forget()
    assert np.array_equal(source.read(20_000, 900_000), DATA[20_000:900_000])
    assert server.sent < 1_100_000


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_tries_again_what_may_pass(
    source: HttpSource, server: RangeServer, patience: None, status: int
) -> None:
    server.fail(status=status, times=2)
    assert np.array_equal(source.read(20_000, 30_000), DATA[20_000:30_000])


def test_waits_as_long_as_it_is_asked_to(source: HttpSource, server: RangeServer) -> None:
    server.fail(status=429, headers={"Retry-After": "1"})
    began = time.monotonic()
    source.read(20_000, 30_000)
    assert time.monotonic() - began >= 0.9


def test_does_not_wait_for_an_hour(source: HttpSource, server: RangeServer) -> None:
    server.fail(status=429, headers={"Retry-After": "3600"})
    with pytest.raises(CheckpointError, match="3600 seconds"):
        source.read(20_000, 30_000)


def test_gives_up_with_a_reason(source: HttpSource, server: RangeServer, patience: None) -> None:
    server.fail(status=503, times=100)
    with pytest.raises(CheckpointError, match=r"503.*times in a row"):
        source.read(20_000, 30_000)
    assert len(server.asked) < 10


@pytest.mark.parametrize(
    ("status", "words"),
    [(404, "is not there"), (401, "may not be read"), (403, "may not be read"), (418, "418")],
)
def test_says_what_a_refusal_means(server: RangeServer, status: int, words: str) -> None:
    url = server.add(PATH, DATA.tobytes())
    server.fail(status=status, times=100)
    with pytest.raises(CheckpointError, match=words):
        opened(url)
    assert len(server.asked) == 1


def test_a_range_that_is_refused_means_a_changed_file(
    source: HttpSource, server: RangeServer
) -> None:
    server.fail(status=416)
    with pytest.raises(CheckpointError, match="changed"):
        source.read(20_000, 30_000)


def test_refuses_a_server_that_sends_whole_files(server: RangeServer) -> None:
    url = server.add(PATH, bytes(5_000_000))
    server.fail(whole=True, times=100)
    with pytest.raises(CheckpointError, match="no byte ranges"):
        opened(url)
    assert server.sent < 2_000_000


def test_takes_small_files_from_a_server_that_sends_whole_files(server: RangeServer) -> None:
    url = server.add(PATH, DATA.tobytes())
    server.fail(whole=True, times=100)
    source = opened(url)
    assert source.size == SIZE
    assert np.array_equal(source.read(2_000_000, 2_100_000), DATA[2_000_000:2_100_000])


def test_an_empty_file_has_no_bytes(server: RangeServer) -> None:
    source = opened(server.add("/empty", b""))
    assert source.size == 0
    assert source.read(0, 0).size == 0


@pytest.mark.parametrize("how", ["etag", "modified", "weak", "size", "tag is lost"])
def test_a_file_that_changes_underway_is_an_error(server: RangeServer, how: str) -> None:
    old = {"etag": '"one"', "modified": None}
    new = {"etag": '"two"', "modified": None}
    if how == "modified":
        old = {"etag": None, "modified": "Mon, 01 Jan 2024 00:00:00 GMT"}
        new = {"etag": None, "modified": "Tue, 02 Jan 2024 00:00:00 GMT"}
    elif how == "weak":
        old["etag"], new["etag"] = 'W/"one"', 'W/"two"'
    elif how == "size":
        old = new = {"etag": None}
    elif how == "tag is lost":
        old["etag"], new["etag"] = 'W/"one"', None
    url = server.add(PATH, DATA.tobytes(), **old)
    source = opened(url)
    source.read(20_000, 30_000)
    changed = DATA[::-1].tobytes() + (b"more" if how == "size" else b"")
    server.add(PATH, changed, **new)
    with pytest.raises(CheckpointError, match="changed on the server"):
        source.read(2_000_000, 2_100_000)
    if how != "size":  # Without a version nothing is kept.
        assert np.array_equal(source.read(20_000, 30_000), DATA[20_000:30_000])


def test_a_file_that_changes_between_two_pieces_is_an_error(
    source: HttpSource, server: RangeServer, patience: None
) -> None:
    read = server.files[PATH].read

    def once(start: int, stop: int) -> bytes:
        server.files[PATH].etag = '"two"'
        return read(start, stop)

    server.files[PATH].read = once
    server.fail(drop_after=10_000)
    with pytest.raises(CheckpointError, match="changed on the server"):
        source.read(20_000, 60_000)


def test_blocks_of_an_old_version_are_not_taken_for_the_new_one(
    source: HttpSource, url: str, server: RangeServer
) -> None:
    source.read(20_000, 90_000)
    server.add(PATH, DATA[::-1].tobytes(), etag='"two"')
    assert np.array_equal(opened(url).read(20_000, 90_000), DATA[::-1][20_000:90_000])


def test_bytes_of_a_file_without_a_version_are_not_kept(server: RangeServer) -> None:
    url = server.add(PATH, DATA.tobytes(), etag=None)
    assert not opened(url).identifies
    opened(url).read(20_000, 30_000)
    server.forget()
    opened(url).read(20_000, 30_000)
    assert server.sent >= 10_000


def test_a_shifted_range_is_never_taken(
    source: HttpSource, server: RangeServer, patience: None
) -> None:
    server.fail(shifted=7)
    assert np.array_equal(source.read(20_000, 30_000), DATA[20_000:30_000])
    server.fail(shifted=7, times=100)
    with pytest.raises(CheckpointError, match="answers with"):
        source.read(40_000, 50_000)


def test_a_body_that_is_too_short_is_never_taken(
    source: HttpSource, server: RangeServer, patience: None
) -> None:
    server.fail(cut=1000)
    assert np.array_equal(source.read(20_000, 30_000), DATA[20_000:30_000])


def test_compressed_answers_are_refused(server: RangeServer) -> None:
    server.routes["/packed"] = lambda request: (
        206,
        {"Content-Encoding": "gzip", "Content-Range": "bytes 0-9/10"},
        b"0123456789",
    )
    with pytest.raises(CheckpointError, match="compresses"):
        opened(server.url + "/packed")


def test_a_server_that_is_not_there_is_named(patience: None) -> None:
    with pytest.raises(CheckpointError, match=r"127\.0\.0\.1:9/x"):
        opened("http://127.0.0.1:9/x")


def test_remembers_where_it_was_sent_until_that_ends(server: RangeServer) -> None:
    server.add("/real", DATA.tobytes())
    server.routes["/alias"] = lambda request: (302, {"Location": "/real"}, b"")
    source = opened(server.url + "/alias")
    server.forget()
    source.read(20_000, 30_000)
    assert [asked.path for asked in server.asked] == ["/real"]
    server.files["/moved"] = server.files.pop("/real")
    server.routes["/alias"] = lambda request: (302, {"Location": "/moved"}, b"")
    assert np.array_equal(source.read(50_000, 60_000), DATA[50_000:60_000])


def test_waiting_can_be_cancelled(source: HttpSource, server: RangeServer) -> None:
    server.rate = 100_000
    progress = SilentProgress()
    threading.Timer(0.2, progress.cancel).start()
    began = time.monotonic()
    with watched(progress), pytest.raises(Cancelled):
        source.read(20_000, 2_000_000)
    assert time.monotonic() - began < 5
    server.rate = None
    assert np.array_equal(source.read(20_000, 30_000), DATA[20_000:30_000])


def test_closing_ends_what_is_under_way(source: HttpSource, server: RangeServer) -> None:
    server.rate = 100_000
    threading.Timer(0.2, source.close).start()
    with pytest.raises(CheckpointError, match="closed"):
        source.read(20_000, 2_000_000)
    with pytest.raises(CheckpointError, match="closed"):
        source.read(0, 10)
    with pytest.raises(CheckpointError, match="closed"):
        pickle.dumps(source)


def test_travels_without_its_bytes(source: HttpSource) -> None:
    sent = pickle.dumps(source)
    assert len(sent) < 1000
    assert np.array_equal(pickle.loads(sent).read(20_000, 30_000), DATA[20_000:30_000])


def test_brings_what_will_be_read(source: HttpSource, server: RangeServer) -> None:
    wanted = np.array([(i * 100_000, i * 100_000 + 50) for i in range(1, 25)], np.int64)
    cost = source.missing_bytes(wanted)
    server.forget()
    source.prefetch(wanted)
    assert source.missing_bytes(wanted) == 0
    assert server.sent == cost
    server.forget()
    for start, stop in wanted.tolist():
        assert np.array_equal(source.read(start, stop), DATA[start:stop])
    assert not server.asked


def test_without_a_connection_the_cache_is_all_there_is(
    source: HttpSource, server: RangeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = "NAPARI_GPT2_TOMO_OFFLINE"
    source.read(20_000, 30_000)
    server.forget()
    monkeypatch.setenv(variable, "1")
    assert np.array_equal(source.read(20_000, 30_000), DATA[20_000:30_000])
    with pytest.raises(CheckpointError, match=variable):
        source.read(1_000_000, 1_000_010)
    assert not server.asked


def test_secrets_are_neither_shown_nor_kept(server: RangeServer) -> None:
    server.add("/x.bin", DATA.tobytes())
    host = server.url.removeprefix("http://")
    url = f"http://me:hidden@{host}/x.bin?X-Amz-Signature=hidden&v=2"
    assert public(url) == f"http://{host}/x.bin?v=2"
    source = opened(url)
    assert "Authorization" in server.asked[0].headers
    assert "hidden" not in str(source.path)
    source.close()
    with pytest.raises(CheckpointError) as caught:
        source.read(0, 5)
    assert "hidden" not in str(caught.value)
