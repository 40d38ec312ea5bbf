"""The newest pictures of a real folder, and the ways out of it that are closed."""

import io
import os
from pathlib import Path

import pytest
from PIL import Image

from service.images import WorkError
from service.references import image_folder as latest_images
from service.references.image_folder import newest
from tests.emulators.pictures import jpeg, png

CAP = 1_000_000
FAR = 4_000_000_000
"""Seconds since the epoch, decades ahead: a time that no file has by itself."""


def put(path: Path, data: bytes, age: int = 0) -> Path:
    """Write a file, the newest there is but for its age."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (FAR - age, FAR - age))
    return path


async def names(folder: Path, count: int = 1) -> list[str]:
    return [each.name for each in await newest(folder, count, CAP)]


async def problem(folder: Path, count: int = 1) -> str:
    with pytest.raises(WorkError) as caught:
        await newest(folder, count, CAP)
    assert caught.value.kind == "reference"
    assert str(caught.value).startswith("`use_latest_user_image`: ")
    return str(caught.value)


async def test_the_newest_come_first_and_documents_are_passed_over(tmp_path: Path) -> None:
    """Ours: what a file is, its bytes say; Cherry Studio names attachments by an id, and keeps documents there too."""
    put(tmp_path / "a1b2.jpg", jpeg(1, (8, 8)), age=30)
    put(tmp_path / "no-extension", png(2, (8, 8)), age=20)
    put(tmp_path / "notes.png", b"just words", age=10)
    put(tmp_path / "film.mp4", b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00isomavc1", age=5)
    assert await names(tmp_path, 2) == ["no-extension", "a1b2.jpg"]
    [found] = await newest(tmp_path, 1, CAP)
    assert found.data == png(2, (8, 8))


async def test_one_level_below_counts_and_two_do_not(tmp_path: Path) -> None:
    put(tmp_path / "chat" / "cat.png", png(1, (8, 8)), age=10)
    (tmp_path / "chat" / "deep").mkdir()
    put(tmp_path / "chat" / "deep" / "dog.png", png(2, (8, 8)))
    assert await names(tmp_path) == ["cat.png"]


async def test_a_copy_that_keeps_the_time_of_its_original_is_new_all_the_same(tmp_path: Path) -> None:
    """Ours: macOS and Windows copy the time of the last change with the file."""
    (tmp_path / "earlier.png").write_bytes(png(1, (8, 8)))
    copy = tmp_path / "copy.png"
    while not copy.exists() or copy.stat().st_ctime_ns == (tmp_path / "earlier.png").stat().st_ctime_ns:
        copy.write_bytes(png(2, (8, 8)))
        os.utime(copy, (1, 1))
    assert await names(tmp_path) == ["copy.png"]


async def test_fewer_than_asked_for_is_said(tmp_path: Path) -> None:
    assert "there is none in the image folder" in await problem(tmp_path)
    put(tmp_path / "cat.png", png(1, (8, 8)))
    assert "there is only 1 of them" in await problem(tmp_path, 2)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(b"\x89PNG\r\n\x1a\n" + b"\0" * CAP, "more than 1 MB", id="too large"),
        pytest.param(b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "a HEIC picture", id="HEIC"),
        pytest.param(b"\x00\x00\x00\x0cJXL \r\n\x87\n", "a JPEG XL picture", id="JPEG XL"),
    ],
)
async def test_a_newest_picture_that_cannot_be_taken_is_named(tmp_path: Path, data: bytes, said: str) -> None:
    """Ours: to go on with an older one would be to draw from a picture that nobody meant."""
    put(tmp_path / "older.png", png(1, (8, 8)), age=10)
    put(tmp_path / "wanted", data)
    assert "the newest picture, wanted," in await problem(tmp_path)
    assert said in await problem(tmp_path)


@pytest.mark.parametrize("kind", ["BMP", "TIFF"])
async def test_a_picture_that_is_kept_as_png_is_found(tmp_path: Path, kind: str) -> None:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, kind)
    put(tmp_path / "scan", out.getvalue())
    [found] = await latest_images.newest(tmp_path, 1, CAP)
    assert found.data == out.getvalue()


async def test_a_letter_that_begins_like_a_picture_is_a_document(tmp_path: Path) -> None:
    put(tmp_path / "older.png", png(1, (8, 8)), age=10)
    put(tmp_path / "letter.txt", b"BMW wrote again.")
    assert await names(tmp_path) == ["older.png"]


@pytest.mark.parametrize("kind", ["link to a file", "link to a folder", "pipe", "folder named like a picture"])
async def test_no_way_leads_out_and_nothing_is_waited_for(tmp_path: Path, kind: str) -> None:
    """CVE class of imagesorcery-mcp #17: files outside of the folder that the person named."""
    outside, folder = tmp_path / "outside", tmp_path / "images"
    put(outside / "secret.png", png(1, (8, 8)))
    folder.mkdir()
    match kind:
        case "link to a file":
            (folder / "link.png").symlink_to(outside / "secret.png")
        case "link to a folder":
            (folder / "link").symlink_to(outside)
        case "pipe":
            os.mkfifo(folder / "pipe.png")
        case _:
            (folder / "folder.png").mkdir()
    assert "there is none" in await problem(folder)


@pytest.mark.parametrize("swapped", ["file", "file within", "folder", "pipe"])
def test_what_is_swapped_after_the_look_is_not_read(tmp_path: Path, swapped: str) -> None:
    """Ours: between looking and opening, a name may have become a link (the file) or lie behind one (its folder)."""
    outside, root = tmp_path / "outside", tmp_path / "images"
    secret = put(outside / "cat.png", png(1, (8, 8)))
    seen = put(root / "cat.png", png(2, (8, 8)))
    inner = put(root / "chat" / "cat.png", png(3, (8, 8)))
    assert latest_images._read(seen, root.resolve(), CAP) == png(2, (8, 8))
    match swapped:
        case "file":
            seen.unlink()
            seen.symlink_to(secret)
        case "file within":
            seen.unlink()
            seen.symlink_to(inner)
        case "folder":
            inner.unlink()
            inner.parent.rmdir()
            inner.parent.symlink_to(outside)
            seen = inner
        case _:
            seen.unlink()
            os.mkfifo(seen)
    assert latest_images._read(seen, root.resolve(), CAP) is None


async def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    """Ours: the person named it, wherever it leads."""
    put(tmp_path / "images" / "cat.png", png(1, (8, 8)))
    (tmp_path / "link").symlink_to(tmp_path / "images")
    assert await names(tmp_path / "link") == ["cat.png"]


@pytest.mark.parametrize("what", ["missing", "a file"])
async def test_a_folder_that_is_none_names_its_setting(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "images"
    if what == "a file":
        folder.write_bytes(png(1, (8, 8)))
    said = await problem(folder)
    assert "EASEL_IMAGE_DIR" in said
    assert str(tmp_path) not in said


async def test_no_more_than_so_many_entries_are_looked_at(tmp_path: Path) -> None:
    """Ours: somebody may name a home folder."""
    for number in range(4):
        put(tmp_path / "chat" / f"{number}.txt", b"words")
    for number in range(4):
        put(tmp_path / f"{number}.txt", b"words")
    assert len(list(latest_images._files(tmp_path, 6))) == 5, "four files, the folder, and one file in it"
