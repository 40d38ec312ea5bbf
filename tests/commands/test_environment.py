"""The file of settings below the environment, as people have it from earlier programs."""

from pathlib import Path

import pytest

from service.commands.environment import environment
from service.settings import Settings
from service.settings_reader import SettingsError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_environment_wins_over_the_file(folder: Path) -> None:
    (folder / ".env").write_text("EASEL_PORT=1\nEASEL_LOG=debug # loud\n")
    env = environment({"EASEL_PORT": "2"})
    assert (env["EASEL_PORT"], env["EASEL_LOG"]) == ("2", "debug")


def test_a_line_of_the_file_that_is_none_stops_the_start(folder: Path) -> None:
    """Bug: a line that could not be read was skipped, and a service started without its tokens."""
    (folder / ".env").write_text('EASEL_TOKENS="x\n')
    with pytest.raises(SettingsError, match="line 1"):
        environment({})


def test_the_file_of_the_flow2api_mcp_server_is_read_unchanged(folder: Path) -> None:
    """Ours: its `.env.example`, filled in by Notepad on Windows."""
    (folder / ".env").write_bytes(
        "\ufeff# Flow2API upstream\r\nFLOW2API_BASE_URL=http://127.0.0.1:8000\r\nexport FLOW2API_API_KEY='han-1234'\r\n"
        "FLOW2API_MCP_URL_CACHE=1\r\nFLOW2API_MCP_EXTERNAL_URL_PREFIX=http://127.0.0.1:8866\r\n"
        "FLOW2API_MCP_IMAGE_DIR=%APPDATA%\\CherryStudio\\Data\\Files\r\n"
        "FLOW2API_MCP_PROMPT_SUFFIX=图中文字用简体中文\r\n# FLOW2API_MCP_DEBUG=0\r\n\r\nnonsense\r\n".encode()
    )
    settings = Settings.from_env(environment({"AppData": "/home/ann/roaming"}))
    assert settings.flow2api is not None
    assert (settings.flow2api.url, settings.flow2api.key) == ("http://127.0.0.1:8000", "han-1234")
    assert str(settings.image_dir) == "/home/ann/roaming\\CherryStudio\\Data\\Files"
    assert settings.prompt_suffix == "图中文字用简体中文"
    assert settings.public_url == "http://127.0.0.1:8866"


def test_a_variable_of_a_path_that_is_not_set_is_named(folder: Path) -> None:
    (folder / ".env").write_text("FLOW2API_MCP_IMAGE_DIR=%APPDATA%\\CherryStudio\n")
    with pytest.raises(SettingsError, match=r"FLOW2API_MCP_IMAGE_DIR: %APPDATA% is not set here; write the folder"):
        Settings.from_env(environment({}))


@pytest.mark.parametrize("written", [
    r'"C:\new\tables"', r"C:\new\tables", r"'C:\new\tables'", r'"%DISK%\new\tables"', r'"\\nas\new\tables"',
])  # fmt: skip
def test_backslashes_of_a_path_stay(folder: Path, written: str) -> None:
    """Bug of python-dotenv here: in double quotes `\\n` is a line break. The Flow2API MCP Server left it alone."""
    (folder / ".env").write_text(f"EASEL_IMAGE_DIR={written}\n")
    assert environment({})["EASEL_IMAGE_DIR"] == written.strip("\"'")


@pytest.mark.parametrize(("data", "encoding"), [
    pytest.param("FLOW2API_MCP_PROMPT_SUFFIX=文字用简体中文\n".encode("gbk"), "GBK", id="a Chinese Windows"),
    pytest.param("EASEL_PORT=1\n".encode("utf-16"), "UTF-16", id="PowerShell"),
])  # fmt: skip
def test_a_file_of_another_encoding_is_named_with_the_way_to_convert_it(
    folder: Path, data: bytes, encoding: str
) -> None:
    """Ours: a password or a prompt suffix read in the wrong encoding would be wrong without a word."""
    (folder / ".env").write_bytes(data)
    with pytest.raises(SettingsError) as told:
        environment({})
    assert f"it is not UTF-8 text; it looks like {encoding}: save it as UTF-8" in str(told.value)
    assert f"iconv -f {encoding} -t UTF-8 .env > .env.new" in str(told.value)
    assert "Get-Content .env | Set-Content -Encoding utf8 .env.new" in str(told.value)


def test_the_older_variable_names_another_file(folder: Path) -> None:
    (folder / "my.env").write_text("EASEL_PORT=7\n")
    assert environment({"FLOW2API_MCP_ENV_FILE": str(folder / "my.env")})["EASEL_PORT"] == "7"
    with pytest.raises(SettingsError, match=r"FLOW2API_MCP_ENV_FILE: .*gone is not there"):
        environment({"FLOW2API_MCP_ENV_FILE": "gone"})
