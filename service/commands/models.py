"""The command `models`: compares the lists of the upstreams with the models file, and shows what would change in it.

With `--write` it changes that, and nothing else in the file.
"""

import os
from collections.abc import Iterator, Mapping
from difflib import unified_diff
from pathlib import Path
from tempfile import NamedTemporaryFile

from service.app import upstreams_of
from service.image_models.comparison import Comparison, brought_up_to_date, compare, fetch_model_lists
from service.image_models.models import Models, ModelsError, read_list
from service.settings import Settings
from service.settings_reader import SettingsError
from service.upstreams.base import Offers


async def models(settings: Settings, *, write: bool) -> int:
    """Print the comparison, and write the file if asked to; returns 0, or 1 when an upstream could not be compared."""
    path = settings.models_file
    try:
        text = path.read_bytes()
        listed = read_list(text)
    except (OSError, ModelsError) as error:
        raise SettingsError("EASEL_MODELS_FILE", f"{path}: {getattr(error, 'strerror', None) or error}") from error
    async with upstreams_of(settings) as upstreams:
        found = await fetch_model_lists(upstreams)
        about = {name: upstream.describe() for name, upstream in upstreams.items()}
    known = {name: offers for name, offers in found.items() if isinstance(offers, Offers)}
    compared = {name: compare(listed, name, offers) for name, offers in known.items()}
    print(f"{path}: {len(listed.listed)} models, default {listed.default}")
    for name in found:
        print(f"\n{about[name]}")
        print("\n".join(f"  {line}" for line in lines(found[name], compared.get(name))))
    asleep = sorted({model.upstream for model in listed.listed} - found.keys())
    if asleep:
        print(f"\nNot configured, so not asked: {', '.join(asleep)}")
    print(f"\n{_update(path, text, compared, write=write)}")
    return 0 if known.keys() == found.keys() else 1


def lines(offers: Offers | str, compared: Comparison | None) -> Iterator[str]:
    """Yield the lines of the comparison with one upstream, or the reason why there is none."""
    if compared is None:
        yield f"not compared    {offers}"
        return
    missing = "only in file   " if compared.sure else "not in its list"
    yield from (f"in both         {id_}" for id_ in compared.both)
    yield from (f"{missing} {id_}" for id_ in compared.only_in_file)
    yield from (f"only upstream   {id_}" for id_ in compared.only_there)


def _update(path: Path, text: bytes, compared: Mapping[str, Comparison], *, write: bool) -> str:
    """Update the file, or only say how it would be updated, with the lines that go and come."""
    updated = brought_up_to_date(text, compared)
    if updated == text:
        return "There is nothing to change."
    if write:
        write_in_place(path, updated)
    done = "Written." if write else "Not written. With --write:"
    before, after = (each.decode().splitlines() for each in (text, updated))
    lines = [line for line in unified_diff(before, after, n=0, lineterm="") if line[0] != "@"][2:]
    return "\n".join([*lines, f"{done} {_difference(read_list(text), read_list(updated))}"])


def _difference(before: Models, after: Models) -> str:
    old, new = ({model.id for model in each.listed} for each in (before, after))
    summary = (
        f"Added: {', '.join(sorted(new - old)) or 'nothing'}. Removed: {', '.join(sorted(old - new)) or 'nothing'}."
    )
    if after.default and after.default not in after.by_id:
        summary += (
            f" The default {after.default} is not listed any more: the next model takes its place until you choose one."
        )
    return summary


def write_in_place(path: Path, data: bytes) -> None:
    """Replace a file in one step, so that no reader sees half of it. A link stays one, and rights stay as they are."""
    target = path.resolve()
    with NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as draft:
        try:
            draft.write(data)
            draft.flush()
            os.fsync(draft.fileno())
            Path(draft.name).chmod(target.stat().st_mode & 0o777)
            Path(draft.name).replace(target)
        except BaseException:
            Path(draft.name).unlink(missing_ok=True)
            raise
