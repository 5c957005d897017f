"""Archives of images: like the folder they were made of, and harmless whatever is in them."""

import gzip
import io
import os
import struct
import tarfile
import warnings
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nvp_studio.data import load_data
from nvp_studio.data.archive_paths import Archives
from nvp_studio.data.archives import open_archive
from nvp_studio.data.dataset import DataError
from nvp_studio.data.images import ImageError
from nvp_studio.data.options import LoadOptions, no_progress
from nvp_studio.data.report import DataReport
from nvp_studio.data.survey import survey_data
from tests.data.test_sources import encoded, write_files, write_tar, write_zip
from tests.small_model import random_images

IMAGES = random_images(20)
FILES = {f"{number % 2}/{number:02}.png": encoded(image) for number, image in enumerate(IMAGES)}


def test_it_has_the_digest_of_its_folder(tmp_path: Path) -> None:
    inside = {f"photos/{name}": content for name, content in FILES.items()}
    sets = [
        write_files(tmp_path / "photos", FILES),
        write_zip(tmp_path / "a.zip", FILES),
        write_zip(tmp_path / "b.zip", inside | {"photos/notes.txt": b"", "__MACOSX/photos/0/._00.png": b"x"}),
        write_tar(tmp_path / "c.tar", dict(reversed(FILES.items()))),
        write_tar(tmp_path / "d.tgz", inside),
    ]
    loaded = [load_data(str(path)) for path in sets]
    assert {data.digest for data in loaded} == {loaded[0].digest}
    assert {data.left_out for data in loaded} == {()}
    assert len(loaded[0].validation) > 0


def test_a_second_start_decodes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_zip(tmp_path / "a.zip", FILES)
    first = load_data(str(path))
    monkeypatch.setattr("nvp_studio.data.image_files.decoders", None)
    assert load_data(str(path)).digest == first.digest


def test_a_tar_gz_file_is_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NVP_STUDIO_CACHE", str(tmp_path / "cache"))
    opened = gzip.GzipFile
    unpacked: list[str] = []

    def counted(*words: Any, **named: Any) -> Any:
        unpacked.append("once")
        return opened(*words, **named)

    monkeypatch.setattr("nvp_studio.data.archives.gzip", SimpleNamespace(GzipFile=counted))
    path = write_tar(tmp_path / "a.tgz", FILES | {"inner.zip": b"PK", "0/picture.heic": b""})
    first = load_data(str(path))
    again = load_data(str(path))
    assert (again.digest, again.left_out, len(unpacked)) == (first.digest, first.left_out, 1)
    (kept,) = (tmp_path / "cache" / "unpacked").glob("*.members")
    with open_archive(path) as archive:
        assert archive.read("1/01.png") == FILES["1/01.png"]
    assert list(survey_data(str(path), LoadOptions()))[-1]
    assert len(unpacked) == 1
    kept.write_bytes(kept.read_bytes()[:-1])
    assert load_data(str(path)).digest == first.digest
    assert len(unpacked) == 2, "what is kept was cut"
    write_tar(path, dict(list(FILES.items())[:-1]))
    assert load_data(str(path)).digest != first.digest
    assert len(unpacked) == 3, "another file"
    assert len(list((tmp_path / "cache" / "unpacked").iterdir())) == 2, "what was kept of the old file is removed"


def test_what_is_kept_of_archives_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NVP_STUDIO_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "cache" / "unpacked"
    paths = [write_tar(tmp_path / f"{name}.tar.gz", FILES) for name in "abc"]
    size = sum(map(len, FILES.values()))
    monkeypatch.setattr("nvp_studio.data.unpacked.MOST_BYTES", 2 * size)
    for path in paths:
        open_archive(path).close()
        for kept in folder.glob("*.members"):
            os.utime(kept, ns=(kept.stat().st_mtime_ns - 10**9,) * 2)
    assert len(list(folder.glob("*.members"))) == len(list(folder.glob("*.index"))) == 2
    (folder / "killed.part").write_bytes(b"x")
    os.utime(folder / "killed.part", (0, 0))
    monkeypatch.setattr("nvp_studio.data.unpacked.MOST_BYTES", size)
    open_archive(paths[0]).close()
    assert len(list(folder.iterdir())) == 2, "the newest alone, and nothing of a process that was killed"
    monkeypatch.setattr("nvp_studio.data.unpacked.MOST_BYTES", size - 1)
    with open_archive(paths[1]) as archive:
        assert archive.read("1/01.png") == FILES["1/01.png"]
    assert len(list(folder.iterdir())) == 2, "too large to be kept"


def test_what_is_left_out_of_a_zip_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    link = zipfile.ZipInfo("link.png")
    link.external_attr = 0o120777 << 16
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(path, "w") as archive:  # of a name twice
        for name, content in FILES.items():
            archive.writestr(name, content)
        archive.writestr("0/00.png", FILES["0/00.png"])
        archive.writestr("../outside.png", FILES["0/00.png"])
        archive.writestr("inner.zip", b"PK")
        archive.writestr("0/picture.heic", b"")
        archive.writestr(link, "/etc/passwd")
        archive.writestr("1/secret.png", FILES["0/00.png"])
        archive.writestr("labels.csv", b"")
        archive.writestr(".hidden/a.png", b"")
    content = path.read_bytes()
    place = content.rfind(b"1/secret.png")
    path.write_bytes(content[: place - 38] + b"\x01" + content[place - 37 :])  # the flag of encryption

    before = sorted(tmp_path.rglob("*"))
    data = load_data(str(path))
    assert sum(map(len, data.splits)) == 20
    reasons = {one.reason: one.examples for one in data.left_out}
    assert reasons == {
        "another file of the same name follows in the archive": ("0/00.png",),
        "names that lead out of the archive": ("../outside.png",),
        "files with the extension .zip are not read: unpack them": ("inner.zip",),
        "files with the extension .heic are not read: convert them to PNG or JPEG": ("0/picture.heic",),
        "links to other files": ("link.png",),
        "encrypted files are not read: unpack them with their password": ("1/secret.png",),
    }
    *_, report = survey_data(str(path), LoadOptions())
    assert isinstance(report, DataReport)
    assert {one.reason: one.examples for one in report.left_out} == reasons
    assert sorted(tmp_path.rglob("*")) == before
    assert not (tmp_path.parent / "outside.png").exists()


def test_names_of_other_systems(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for number, image in enumerate(IMAGES):
            archive.writestr(f"{'Käse' if number % 2 else 'Brot'}\\{number}.png", encoded(image))
    content = (tmp_path / "a.zip").read_bytes()
    for header, flag in ((b"PK\3\4", 7), (b"PK\1\2", 9)):  # the flag of UTF-8, which many programs do not set
        parts = content.split(header)
        content = header.join([parts[0], *(part[: flag - 4] + b"\0" + part[flag - 3 :] for part in parts[1:])])
    (tmp_path / "a.zip").write_bytes(content)
    assert load_data(str(tmp_path / "a.zip")).label_names == ("Brot", "Käse")


def lying_zip(path: Path) -> None:
    """A file that unpacks to much more than its entry says."""
    write_zip(path, {"a.png": bytes(50_000_000)}, zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    for place in (content.find(b"PK\3\4") + 22, content.find(b"PK\1\2") + 24):
        struct.pack_into("<I", content, place, 1000)
    path.write_bytes(content)


def promising_zip(path: Path) -> None:
    write_zip(path, {"a.png": b"x"})
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, content.find(b"PK\1\2") + 24, 400_000_000)
    path.write_bytes(content)


def overlapping_zip(path: Path) -> None:
    """Many entries of one file's bytes."""
    write_zip(path, {"a.png": bytes(10_000)})
    content = path.read_bytes()
    start, end = content.find(b"PK\1\2"), content.find(b"PK\5\6")
    entries = content[start:end] * 50
    trailer = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 50, 50, len(entries), start, 0)
    path.write_bytes(content[:start] + entries + trailer)


def crowded_zip(path: Path) -> None:
    path.write_bytes(bytes(100) + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 9, 9, 10**9, 0, 0))


def sparse_tar(path: Path) -> None:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("a.png")
        member.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "a.png"}
        archive.addfile(member)


HOSTILE = {
    "lying.zip": (lying_zip, r"damaged or not supported|ends within"),
    "promising.zip": (promising_zip, "promises more than its bytes can hold"),
    "overlapping.zip": (overlapping_zip, "have more bytes than itself"),
    "crowded.zip": (crowded_zip, "has too many files"),
    "lzma.zip": (lambda path: write_zip(path, FILES, zipfile.ZIP_LZMA), "packed in a way that is not read"),
    "text.zip": (lambda path: path.write_text("text"), "not a zip file"),
    "empty.zip": (lambda path: write_zip(path, {}), "no image files in"),
    "table.zip": (
        lambda path: write_zip(path, {"train.csv": b""}),
        r"but train\.csv; unpack it",
    ),
    "cut.tar": (lambda path: path.write_bytes(tar_of(FILES)[:3000]), "is not a sound tar file"),
    "cut.tar.gz": (lambda path: path.write_bytes(gzip.compress(tar_of(FILES))[:-400]), "cannot be read|not a sound"),
    "text.tar": (lambda path: path.write_text("text"), "is not a sound tar file"),
    "sparse.tar": (sparse_tar, "it has a sparse file"),
    "huge.tar": (lambda path: path.write_bytes(tar_of({"a.png": b""}, 2**33)), "not a sound tar file|too large"),
}


def tar_of(files: dict[str, bytes], claimed: int | None = None) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    header = bytearray(file.getvalue())
    if claimed is not None:
        member.size = claimed
        header[:512] = member.tobuf()[:512]
    return bytes(header)


@pytest.mark.parametrize("name", HOSTILE)
def test_archives_of_ill_will_are_refused_in_one_line(tmp_path: Path, name: str) -> None:
    write, reason = HOSTILE[name]
    write(tmp_path / name)
    with pytest.raises(DataError, match=reason) as refused:
        load_data(str(tmp_path / name))
    assert "\n" not in str(refused.value)


def test_a_member_that_cannot_be_read_is_one_unreadable_file(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", FILES | {"0/broken.png": b"no image", "0/empty.png": b""})
    content = bytearray(path.read_bytes())
    content[content.find(FILES["1/01.png"]) + 60] ^= 255  # so that its checksum is wrong
    path.write_bytes(content)
    data = load_data(str(path))
    assert sum(map(len, data.splits)) == 19
    assert "3 unreadable files skipped" in data.notes[-1]


def test_members_that_are_not_there_or_too_large_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_zip(tmp_path / "a.zip", FILES)
    monkeypatch.setattr("nvp_studio.data.archives.MAX_FILE_BYTES", 10)
    with open_archive(path, no_progress) as archive:
        for name, reason in (("0/00.png", "too large"), ("other.png", "not in the archive")):
            found = archive.read(name)
            assert isinstance(found, ImageError)
            assert reason in str(found)


class Cancelled(Exception):  # noqa: N818
    pass


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tgz"])
def test_reading_the_index_can_be_cancelled(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (write_zip if name == "a.zip" else write_tar)(tmp_path / name, FILES)
    monkeypatch.setattr("nvp_studio.data.archives._PATIENCE_SECONDS", 0)
    told = []

    def progress(done: int, total: int, words: str) -> None:
        told.append(words)
        if len(told) == 5:
            raise Cancelled

    with pytest.raises(Cancelled):
        load_data(str(tmp_path / name), progress=progress)
    assert told[-1].endswith(f"files found in {name}")


def test_thousands_of_members(tmp_path: Path) -> None:
    content = encoded(np.zeros((2, 2, 1), np.uint8))
    path = write_zip(tmp_path / "a.zip", {f"{number % 7}/{number}.png": content for number in range(3000)})
    with open_archive(path, no_progress) as archive:
        assert archive.count == len(archive.names) == 3000
        assert archive.names[:3] == ["0/0.png", "0/1001.png", "0/1008.png"]


def test_pages_of_a_stack_are_members_of_their_own(tmp_path: Path) -> None:
    pages = [Image.fromarray(image[..., 0]) for image in IMAGES]
    file = io.BytesIO()
    pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:])
    data = load_data(str(write_zip(tmp_path / "a.zip", {"stack.tif": file.getvalue(), "masks/stack.tif": b""})))
    assert sorted(map(bytes, np.concatenate([split.images for split in data.splits]))) == sorted(map(bytes, IMAGES))
    assert [one.reason for one in data.left_out] == ["masks or annotations beside images"]


def test_members_are_paths_below_their_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = write_zip(tmp_path / "a.zip", FILES)
    second = write_tar(tmp_path / "b.tgz", FILES)
    image = write_files(tmp_path / "c", {"x.png": FILES["0/00.png"]}) / "x.png"
    broken, empty = write_zip(tmp_path / "d.zip", {"a.txt": b""}), tmp_path / "e.zip"
    empty.write_bytes(b"")
    with Archives() as archives:
        paths = [
            path for path in archives.find([first, tmp_path / "c", second, broken, empty]) if isinstance(path, Path)
        ]
        names = sorted(FILES)
        assert paths == [*(first / name for name in names), image, *(second / name for name in names), broken, empty]
        sources = [archives.source(path) for path in reversed(paths)]
    assert sources[2:] == [FILES[name] for name in reversed(names)] + [image] + [
        FILES[name] for name in reversed(names)
    ]
    assert [str(source) for source in sources[:2]] == [
        "the file e.zip is empty",
        "there are no images in it",
    ]

    with Archives() as archives:
        for path in (first / "0/00.png", second / "1/01.png"):
            assert isinstance(archives.source(path), bytes)
        archives.close(but_unpacked=True)
        monkeypatch.setattr("nvp_studio.data.archive_paths.opening", None)
        assert archives.source(second / "0/00.png") == FILES["0/00.png"]
        with pytest.raises(TypeError):
            archives.source(first / "0/00.png")
