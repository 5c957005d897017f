"""Downloads from a server of the test's own: resumed, verified, refused in one line."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from nvp_studio.data.dataset import DataError
from nvp_studio.data.download import RemoteFile, download, size_of

CONTENT = np.random.default_rng(8).integers(0, 256, 700_001, np.uint8).tobytes()
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()


@dataclass
class Server:
    """What the server holds and does: whether it knows ranges, after how many bytes it hangs up, what it was asked."""

    address: str = ""
    content: bytes = CONTENT
    ranges: bool = True
    hang_up_after: int | None = None
    status: int | None = None
    asked: list[str | None] = field(default_factory=list)

    def file(self, md5: str | None = MD5) -> RemoteFile:
        return RemoteFile(f"{self.address}/folder/set.bin", md5)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            state.asked.append(self.headers.get("Range"))
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            if state.status is not None:
                self.send_error(state.status)
                return
            wanted, whole = self.headers.get("Range"), len(state.content)
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and state.ranges else 0
            if start >= whole:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{whole}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(whole - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
            self.end_headers()
            if body:
                stop = None if state.hang_up_after is None else start + state.hang_up_after
                self.wfile.write(state.content[start:stop])

        def log_message(self, *arguments: object) -> None:
            pass

    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.daemon_threads = True
    thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.address = f"http://127.0.0.1:{served.server_port}"
    yield state
    served.shutdown()
    served.server_close()
    thread.join()


def test_a_file_arrives_whole_with_progress(server: Server, tmp_path: Path) -> None:
    steps: list[tuple[int, int, str]] = []
    path = download(server.file(), tmp_path / "new", lambda *step: steps.append(step))
    assert path == tmp_path / "new" / "set.bin"
    assert path.read_bytes() == CONTENT
    assert [child.name for child in path.parent.iterdir()] == ["set.bin"]
    sizes = [done for done, _, word in steps if word == "downloading set.bin"]
    assert sizes == sorted(sizes)
    assert (len(CONTENT), len(CONTENT), "downloading set.bin") in steps
    assert size_of(server.file()) == len(CONTENT)
    assert size_of(RemoteFile("http://nowhere.invalid/x", size=12)) == 12


def test_what_is_there_is_verified_not_brought_again(server: Server, tmp_path: Path) -> None:
    download(server.file(), tmp_path)
    download(server.file(), tmp_path)
    assert len(server.asked) == 1
    (tmp_path / "set.bin").write_bytes(b"other")
    with pytest.raises(DataError, match=f"its MD5 is not {MD5}; remove it"):
        download(server.file(), tmp_path)
    assert (tmp_path / "set.bin").read_bytes() == b"other"


def test_a_cancelled_download_goes_on_where_it_was(server: Server, tmp_path: Path) -> None:
    class Cancelled(Exception):  # noqa: N818 - it is no error
        pass

    def cancel(done: int, total: int, word: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        download(server.file(), tmp_path, cancel)
    kept = (tmp_path / "set.bin.part").stat().st_size
    assert 0 < kept < len(CONTENT)
    assert not (tmp_path / "set.bin").exists()
    assert download(server.file(), tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={kept}-"]


def test_a_broken_connection_is_taken_up_again(server: Server, tmp_path: Path) -> None:
    server.hang_up_after = 300_000
    assert download(server.file(), tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-", "bytes=600000-"]


def test_a_connection_that_keeps_breaking_is_told_and_the_bytes_are_kept(server: Server, tmp_path: Path) -> None:
    server.hang_up_after = 1000
    with pytest.raises(DataError, match=r"ended after 3,000 of 700,001 bytes \(3,000 bytes are kept") as caught:
        download(server.file(), tmp_path)
    assert "\n" not in str(caught.value)
    server.hang_up_after = None
    assert download(server.file(), tmp_path).read_bytes() == CONTENT


def test_a_server_without_ranges_sends_all_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "set.bin.part").write_bytes(CONTENT[:1000])
    server.ranges = False
    assert download(server.file(), tmp_path).read_bytes() == CONTENT


def test_a_part_that_is_whole_already_is_taken(server: Server, tmp_path: Path) -> None:
    (tmp_path / "set.bin.part").write_bytes(CONTENT)
    assert download(server.file(), tmp_path).read_bytes() == CONTENT


def test_a_part_of_another_file_is_thrown_away(server: Server, tmp_path: Path) -> None:
    (tmp_path / "set.bin.part").write_bytes(CONTENT + b"more")
    with pytest.raises(DataError, match="another file now"):
        download(server.file(), tmp_path)
    assert download(server.file(), tmp_path).read_bytes() == CONTENT
    (tmp_path / "set.bin").unlink()
    (tmp_path / "set.bin.part").write_bytes(b"x" * 1000)
    with pytest.raises(DataError, match="arrived damaged"):
        download(server.file(), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_file_without_a_checksum_is_taken_as_it_comes(server: Server, tmp_path: Path) -> None:
    assert download(server.file(md5=None), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [403, 404, 500])
def test_what_the_server_says_is_told(server: Server, tmp_path: Path, status: int) -> None:
    server.status = status
    with pytest.raises(DataError, match=r"set.bin cannot be downloaded from 127.0.0.1:\d+: .*put the file from http"):
        download(server.file(), tmp_path)
    with pytest.raises(DataError, match="cannot be downloaded"):
        size_of(server.file())


def test_being_offline_is_told(server: Server, tmp_path: Path) -> None:
    host = server.address.rpartition(":")[0]
    with pytest.raises(DataError, match=r"cannot be downloaded .*: Connection refused; without a connection, put"):
        download(RemoteFile(f"{host}:9/set.bin", MD5), tmp_path)
    for url in ("file:///etc/passwd", "ftp://127.0.0.1/x"):
        with pytest.raises(DataError, match="is no web address"):
            download(RemoteFile(url), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told_before_the_bytes_come(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr("nvp_studio.data.download.shutil.disk_usage", lambda _: usage)
    with pytest.raises(DataError, match=r"700,001 bytes are to be downloaded but .* has only 1,000 free"):
        download(server.file(), tmp_path)


def test_waiting_for_a_server_and_checking_may_be_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class StopError(Exception):
        pass

    def stop(done: int, total: int, text: str) -> None:
        told.append(text)
        raise StopError

    told: list[str] = []
    go_on = threading.Event()
    file = RemoteFile("http://example.org/set.bin", "0" * 32)
    try:
        monkeypatch.setattr("nvp_studio.data.download._request", lambda *given, **named: go_on.wait())
        with pytest.raises(StopError):
            download(file, tmp_path, stop)
        (tmp_path / "set.bin").write_bytes(b"abc")
        monkeypatch.setattr("hashlib.file_digest", lambda *given: go_on.wait())
        with pytest.raises(StopError):
            download(file, tmp_path, stop)
    finally:
        go_on.set()
    assert told == ["waiting for example.org", "checking set.bin"]
