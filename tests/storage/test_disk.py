"""Pictures as files, and what a given name can reach."""

import asyncio
import gc
import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.images import EXTENSIONS, WorkError
from service.storage.data_folder import DataFolderError
from service.storage.disk import CHUNK_BYTES, DiskFiles
from service.storage.files import DERIVATIVES, Derivative

KEY = b"k" * 32
PNG = b"\x89PNG and the rest"
TWO_FILE_SYSTEMS = [Path("/dev/shm"), Path("/var/tmp")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "files"


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    path = tmp_path / "scratch"
    path.mkdir()
    return path


@pytest.fixture
async def files(folder: Path, scratch: Path) -> DiskFiles:
    return await DiskFiles.open(folder, scratch, KEY)


def put_in_the_way(path: Path) -> None:
    path.write_text("a file, where a folder should be")


def every_file(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if not path.is_dir()]


@contextmanager
def powerless(folder: Path) -> Iterator[None]:
    """Without the right to change a folder. Root has every right, and becomes nobody for a while."""
    mode, user = folder.stat().st_mode, os.geteuid()
    folder.chmod(0o500)
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
        folder.chmod(mode)


@pytest.mark.parametrize(("media_type", "extension"), EXTENSIONS.items())
async def test_what_was_kept_is_found(files: DiskFiles, media_type: str, extension: str) -> None:
    """Ours: each type that we keep comes back as itself."""
    name = await files.keep("local", PNG, media_type)
    found = await files.find(name)
    assert found is not None
    assert (await files.read(name), found.media_type, found.size) == (PNG, media_type, len(PNG))
    assert name.endswith(f".{extension}")


async def test_the_same_bytes_again_touch_nothing(files: DiskFiles) -> None:
    """Ours: a retried call costs no second file, and a served one is never swapped."""
    name = await files.keep("local", PNG, "image/png")
    before = files.path(name).stat()
    assert await files.keep("local", PNG, "image/png") == name
    after = files.path(name).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


async def test_a_file_of_the_wrong_size_is_replaced(files: DiskFiles) -> None:
    """Ours: a file cut short by a repair of the disk heals when its picture comes by again."""
    name = await files.keep("local", PNG, "image/png")
    files.path(name).write_bytes(PNG[:4])
    await files.keep("local", PNG, "image/png")
    assert await files.read(name) == PNG


async def test_keeping_leaves_nothing_else(files: DiskFiles, folder: Path, scratch: Path) -> None:
    """Ours: one file per picture, in the folder of its first two digits, and no temporary file."""
    names = await asyncio.gather(*(files.keep("local", bytes([n % 7]), "image/png") for n in range(28)))
    assert {path.relative_to(folder).as_posix() for path in every_file(folder)} == {f"{n[:2]}/{n}" for n in names}
    assert every_file(scratch) == []


async def test_a_cancelled_keep_leaves_a_whole_file_or_none(files: DiskFiles, folder: Path, scratch: Path) -> None:
    """Ours: a person who cancels must not leave half a picture behind."""
    data = b"x" * 5_000_000
    task = asyncio.create_task(files.keep("local", data, "image/png"))
    await asyncio.sleep(0)  # lets the task start its thread
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.get_running_loop().shutdown_default_executor()
    assert [path.stat().st_size for path in every_file(folder)] in ([], [len(data)])
    assert every_file(scratch) == []


async def test_a_file_that_opens_for_a_client_that_left_is_closed(files: DiskFiles) -> None:
    """Bug: the collector of garbage closed it, with a warning."""
    name = await files.keep("local", PNG, "image/png")
    for _ in range(20):
        opening = asyncio.create_task(files.open_range(name, range(4)))
        await asyncio.sleep(0)  # lets the task start its thread
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
    del opening
    await asyncio.get_running_loop().shutdown_default_executor()
    gc.collect()  # a warning of it would be a failure of this test


NAME = "0123456789abcdef0123456789abcdef.png"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("", id="empty"),
        pytest.param(NAME.upper(), id="upper case"),
        pytest.param(NAME[1:], id="one digit short"),
        pytest.param("0" + NAME, id="one digit more"),
        pytest.param(NAME + ".", id="trailing dot"),
        pytest.param(NAME + " ", id="trailing space"),
        pytest.param(NAME + "\n", id="trailing newline"),
        pytest.param(NAME + "\0", id="trailing nul"),
        pytest.param(NAME + ".gz", id="compressed sibling"),
        pytest.param(NAME + "::$DATA", id="windows stream"),
        pytest.param(NAME.replace("png", "svg"), id="active content"),
        pytest.param(NAME.replace("png", "jpeg"), id="extension we do not mint"),
        pytest.param(NAME.replace("0", "\u0660"), id="arabic digits"),
        pytest.param("../01/" + NAME, id="up and down"),
        pytest.param("01/" + NAME, id="its own path"),
        pytest.param("..\\01\\" + NAME, id="backslashes"),
        pytest.param("probe", id="the probe"),
    ],
)
async def test_a_name_of_another_form_is_none(files: DiskFiles, folder: Path, name: str) -> None:
    """Attack: traversal through names (CVE-2026-7213 and its kin). The plain name is there, and only it is found."""
    (folder / "01").mkdir()
    (folder / "01" / NAME).write_bytes(PNG)
    assert await files.find(NAME) is not None
    assert await files.find(name) is None
    assert await files.read(NAME) == PNG
    assert await files.read(name) is None
    assert await files.open_range(name, range(1)) is None


async def test_a_name_of_nothing_is_none(files: DiskFiles) -> None:
    """Ours: unknown is None, not an error."""
    assert await files.find(NAME) is None


async def test_a_range_is_given_in_pieces(files: DiskFiles) -> None:
    """Ours: a picture of 100 MB takes no more memory than one piece, and a range beyond its end just ends there."""
    data = bytes(range(256)) * 4000
    name = await files.keep("local", data, "image/png")
    for span in (range(len(data)), range(100, 100), range(5, 700_001), range(1_000_000, len(data) + 50)):
        opened = await files.open_range(name, span)
        assert opened is not None
        async with opened:
            pieces = [piece async for piece in opened.chunks()]
        assert b"".join(pieces) == data[span.start : span.stop]
        assert all(0 < len(piece) <= CHUNK_BYTES for piece in pieces)
        assert opened.disk_file is not None
        assert opened.disk_file.closed


async def test_a_file_that_cannot_be_read_is_none_and_logged(
    files: DiskFiles, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Ours: a picture is then had from its image service again, or said to be gone."""
    name = await files.keep("local", PNG, "image/png")
    with powerless(folder / name[:2]):
        assert await files.read(name) is None
        assert await files.open_range(name, range(1)) is None
    assert "cannot be read: Permission denied" in caplog.text


async def test_what_is_no_plain_file_is_none(files: DiskFiles, folder: Path, tmp_path: Path) -> None:
    """Attack: a link planted in the folder must not show another file of the machine."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / NAME).write_bytes(b"private")
    (folder / "01").mkdir()
    (folder / "01" / NAME).symlink_to(outside / NAME)
    assert await files.find(NAME) is None
    (folder / "01" / NAME).unlink()
    (folder / "01" / NAME).mkdir()
    assert await files.find(NAME) is None
    (folder / "01" / NAME).rmdir()
    os.mkfifo(folder / "01" / NAME)
    assert await files.find(NAME) is None
    shutil.rmtree(folder / "01")
    (folder / "01").symlink_to(outside)
    assert await files.find(NAME) is None


async def test_a_planted_link_is_replaced_not_written_through(files: DiskFiles, folder: Path, tmp_path: Path) -> None:
    """Attack: keeping a picture must not write to where a link points."""
    victim = tmp_path / "victim"
    victim.write_bytes(PNG)
    name = await files.keep("local", PNG, "image/png")
    path = folder / name[:2] / name
    path.unlink()
    path.symlink_to(victim)
    await files.keep("local", PNG, "image/png")
    assert not path.is_symlink()
    assert path.read_bytes() == PNG


async def test_what_was_removed_is_gone_and_the_rest_stays(files: DiskFiles, folder: Path) -> None:
    """Ours: deletion really deletes. To remove what is not there is no mistake: a crash may have come between."""
    first, second = [await files.keep("local", data, "image/png") for data in (b"1", b"2")]
    assert await files.remove([first, NAME, "../escape.png"]) == [first, NAME, "../escape.png"]
    assert await files.find(first) is None
    assert [path.name for path in every_file(folder)] == [second]
    assert await files.remove([first]) == [first]


async def test_removing_follows_no_link(files: DiskFiles, folder: Path, tmp_path: Path) -> None:
    """Attack: a link planted in the folder must not lead to a file elsewhere; nothing of ours lies there."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / NAME).write_bytes(b"private")
    (folder / "01").symlink_to(outside)
    assert await files.remove([NAME]) == [NAME]
    (folder / "01").unlink()
    (folder / "01").mkdir()
    (folder / "01" / NAME).symlink_to(outside / NAME)
    assert await files.remove([NAME]) == [NAME]
    assert (folder / "01" / NAME).is_symlink()
    assert (outside / NAME).read_bytes() == b"private"


async def test_what_the_disk_does_not_let_go_is_not_told_as_gone(
    files: DiskFiles, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Ours: the index must not forget a file that still takes room."""
    name = await files.keep("local", PNG, "image/png")
    with powerless(folder / name[:2]):
        assert await files.remove([name]) == []
    assert "cannot be removed: Permission denied" in caplog.text
    assert await files.find(name) is not None


async def test_the_listing_holds_every_file_of_ours_and_nothing_else(files: DiskFiles, folder: Path) -> None:
    """Ours: what a crash left is found; notes of a person, links and temporary files are none of our business."""
    names = [await files.keep("local", data, "image/png") for data in (b"1", b"22")]
    first = files.path(names[0])
    os.utime(first, (1000, 1000))
    (folder / "README.txt").write_text("mine")
    (folder / "01").mkdir(exist_ok=True)
    (folder / "01" / "notes.png").write_bytes(PNG)
    (folder / "01" / NAME.replace("01", "02", 1)).write_bytes(PNG)
    (folder / "01" / NAME).symlink_to(first)
    listed = {each.name: each for each in await files.listing()}
    assert set(listed) == set(names)
    assert (listed[names[0]].size, listed[names[0]].written_at) == (1, 1000)


async def test_a_disk_that_refuses_is_failed_work(files: DiskFiles, folder: Path) -> None:
    """Ours: the person learns which setting to look at, the model no path of the machine."""
    name = await files.keep("local", PNG, "image/png")
    shutil.rmtree(folder)
    put_in_the_way(folder)
    with pytest.raises(WorkError, match=r"Not a directory\)\.\n.*EASEL_DATA_DIR") as caught:
        await files.keep("local", PNG, "image/png")
    assert caught.value.kind == "storage"
    assert str(folder) not in str(caught.value)
    assert await files.find(name) is None


async def test_a_folder_that_cannot_be_written_stops_the_start(folder: Path, scratch: Path) -> None:
    """Ours: a wrong folder shows at start, not after the first picture was paid for."""
    put_in_the_way(folder)
    with pytest.raises(DataFolderError, match="files: File exists.*EASEL_DATA_DIR"):
        await DiskFiles.open(folder, scratch, KEY)


async def test_folders_on_two_file_systems_stop_the_start(folder: Path) -> None:
    """Ours: a volume mounted over `files` alone would make every rename fail."""
    own = folder.parent.stat().st_dev
    others = [each for each in TWO_FILE_SYSTEMS if each.is_dir() and each.stat().st_dev != own]
    if not others:
        pytest.skip("needs a second file system")
    with tempfile.TemporaryDirectory(dir=others[0]) as elsewhere:
        with pytest.raises(DataFolderError, match="ross-device"):
            await DiskFiles.open(folder, Path(elsewhere), KEY)


async def test_a_disk_that_fills_while_writing_leaves_no_part(files: DiskFiles, folder: Path, scratch: Path) -> None:
    """Ours: half a picture must neither be served nor stay behind. A size limit stands in for the full disk."""
    _, hard = soft_and_hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(WorkError, match="File too large") as caught:
            await files.keep("local", b"x" * 5000, "image/png")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, soft_and_hard)
    assert caught.value.kind == "storage"
    assert every_file(folder) == []
    assert every_file(scratch) == []


@pytest.mark.parametrize("derivative", DERIVATIVES)
async def test_a_derivative_is_found_beside_its_picture_and_goes_with_it(
    files: DiskFiles, folder: Path, derivative: Derivative
) -> None:
    name = await files.keep("local", PNG, "image/png")
    assert await files.keep_derived(name, derivative, b"small")
    found = await files.find(derivative.of(name))
    assert found is not None
    assert (found.media_type, found.size) == (derivative.media_type, 5)
    assert await files.read(derivative.of(name)) == b"small"
    assert [each.name for each in await files.listing()] == [name]
    assert await files.remove([name]) == [name]
    assert every_file(folder) == []


@pytest.mark.parametrize("name", ["", "../../secret", "0" * 32, f"{'0' * 32}.png", f"{'0' * 32}.png~160.webp"])
async def test_of_a_picture_that_is_not_there_no_derivative_is_kept(
    files: DiskFiles, folder: Path, scratch: Path, name: str
) -> None:
    assert not await files.keep_derived(name, DERIVATIVES[0], b"small")
    assert every_file(folder) == every_file(scratch) == []


@pytest.mark.parametrize("ending", ["~", "~161.webp", "~160.png", "~160.webp~160.webp", "~160.webp/..", "~0160.webp"])
async def test_only_derivatives_that_there_can_be_have_names(files: DiskFiles, ending: str) -> None:
    name = await files.keep("local", PNG, "image/png")
    assert (await files.find(name + ending), await files.read(name + ending)) == (None, None)


async def test_derivatives_that_outlived_their_picture_go_when_that_is_missed(files: DiskFiles, folder: Path) -> None:
    """Ours: somebody removed the picture by hand; the look at the start calls for it."""
    name = await files.keep("local", PNG, "image/png")
    await files.keep_derived(name, DERIVATIVES[0], b"small")
    files.path(name).unlink()
    assert await files.remove([name]) == [name]
    assert every_file(folder) == []


class RemovedMeanwhile(DiskFiles):
    """Loses each picture at the moment at which a derivative of it was written, as to another process."""

    def _put(self, path: Path, data: bytes) -> None:
        super()._put(path, data)
        if "~" in path.name:
            self.path(path.name.partition("~")[0]).unlink()


class KeptMeanwhile(DiskFiles):
    """Gets a derivative of each picture at the moment before that is removed."""

    late = True

    def _remove_derived(self, name: str) -> None:
        super()._remove_derived(name)
        if self.late:
            self.late = False
            self.path(DERIVATIVES[0].of(name)).write_bytes(b"small")


@pytest.mark.parametrize("kind", [RemovedMeanwhile, KeptMeanwhile])
async def test_no_derivative_outlives_its_picture_whatever_comes_between(
    kind: type[DiskFiles], folder: Path, scratch: Path
) -> None:
    """Ours: nothing counts such a file, and nothing would ever remove it."""
    files = await kind.open(folder, scratch, KEY)
    name = await files.keep("local", PNG, "image/png")
    assert await files.keep_derived(name, DERIVATIVES[0], b"small") is (kind is KeptMeanwhile)
    await files.remove([name])
    assert every_file(folder) == []
