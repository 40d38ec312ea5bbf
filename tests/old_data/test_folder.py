"""The folder of the earlier server: where it lies, and the file of each URL."""

from pathlib import Path

import pytest

from service.old_data.folder import holds_old_data, old_folders, read_folder
from tests.old_folder import PREFIX, OldServer, dumped, md5, newest, signed


def test_it_is_found_in_a_checkout_and_by_one_of_its_files(tmp_path: Path) -> None:
    """Ours: people name the folder they remember. Newer versions wrote to `data/`, older ones to `mcp_server/`."""
    older, newer = newest().write(tmp_path / "mcp_server"), newest().write(tmp_path / "data")
    assert old_folders(tmp_path) == [newer, older]
    assert old_folders(newer) == old_folders(newer / "history.json") == [newer]
    assert old_folders(tmp_path / "elsewhere") == []


def test_a_data_folder_of_ours_alone_is_none_of_the_earlier_server(tmp_path: Path) -> None:
    """Ours: both are named `data`."""
    for name in ("arrived", "files", "running"):
        (tmp_path / name).mkdir()
    (tmp_path / "easel.db").touch()
    assert not holds_old_data(tmp_path)


@pytest.mark.parametrize("index", [True, False], ids=["with the index", "without"])
@pytest.mark.parametrize("root", ["/app/data", "D:\\flow2api\\data"], ids=["a container", "Windows"])
def test_a_url_leads_to_its_file(tmp_path: Path, root: str, index: bool) -> None:
    """Ours: the paths in the index are those of another machine, and the name says the same as the index."""
    server = OldServer(root=root)
    kept = server.keep(signed(1), b"one")
    plain = server.keep("http://127.0.0.1:8000/tmp/2.jpg", b"two", "jpg")
    local = server.keep_local(b"three", "jpeg")
    folder = read_folder(server.write(tmp_path / "data", index=index))
    assert folder.file_of(signed(1)) == folder.file_of(signed(1).split("?")[0] + "?Signature=another") == kept
    assert folder.file_of("http://127.0.0.1:8000/tmp/2.jpg#x") == plain
    assert folder.file_of(f"{PREFIX}/mcp-cache/{local}") == local
    assert folder.file_of(signed(9)) == ""
    assert folder.faults == []


def test_the_index_tells_the_time_of_a_file_better_than_the_file(tmp_path: Path) -> None:
    server = newest()
    folder = read_folder(server.write(tmp_path / "data"))
    times = {entry["filename"]: entry["time"] for entry in server.index.values()}
    assert {name: file.written_at for name, file in folder.files.items()} == times


def test_an_index_entry_without_a_file_name_gives_the_end_of_its_path(tmp_path: Path) -> None:
    server = OldServer(root="C:\\old")
    name = server.keep(signed(1), b"one")
    del server.index[signed(1).split("?")[0]]["filename"]
    assert read_folder(server.write(tmp_path / "data")).index == {signed(1).split("?")[0]: name}


def test_a_cut_index_gives_what_is_whole_of_it(tmp_path: Path) -> None:
    server = newest()
    path = server.write(tmp_path / "data")
    whole = dumped(server.index)
    (path / "url_cache.json").write_bytes(whole[: len(whole) // 2])
    folder = read_folder(path)
    assert 0 < len(folder.index) < len(server.index)
    assert folder.faults[0].startswith("url_cache.json is cut or broken")


def test_files_of_other_names_and_links_are_counted_and_left(tmp_path: Path) -> None:
    """Ours: a link could lead anywhere on this machine."""
    path = newest().write(tmp_path / "data")
    (path / "url_cache" / "Thumbs.db").touch()
    (path / "url_cache" / f"{md5(b'x')}.png").symlink_to("/etc/hostname")
    folder = read_folder(path)
    assert len(folder.files) == 8
    assert folder.faults[0].startswith("url_cache holds 2 files of other names, such as ")


@pytest.mark.parametrize("entry", [None, 3, {}, {"filename": "../../secret"}, {"path": "C:\\x\\..\\"}], ids=repr)
def test_an_index_entry_that_names_no_file_is_told(tmp_path: Path, entry: object) -> None:
    path = newest().write(tmp_path / "data")
    (path / "url_cache.json").write_bytes(dumped({"http://a/b": entry}))
    assert read_folder(path).faults == ["Entries of url_cache.json that name no file: 1."]


def test_the_same_contents_elsewhere_have_the_same_digest(tmp_path: Path) -> None:
    """Ours: a folder that was moved is known again; one with a picture more is not."""
    first, moved = read_folder(newest().write(tmp_path / "a")), read_folder(newest().write(tmp_path / "b"))
    assert first.digest == moved.digest
    (tmp_path / "b" / "url_cache" / f"{md5(b'new')}.png").write_bytes(b"new")
    assert read_folder(tmp_path / "b").digest != first.digest
