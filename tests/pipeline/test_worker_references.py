"""References on their way to the image service: of a type that it takes, upright, and readable."""

import io
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from service.images import Reference
from tests.pictures.samples import corner_marked, encoded, exif_segment, jpeg_with, photo, tiff
from tests.pipeline_fixture import FOX, Pencil, pipeline_fixture

HELD = corner_marked(40, 80).transpose(Image.Transpose.ROTATE_90)


@dataclass
class PngOnly(Pencil):
    """A service that takes one type."""

    def reference_types(self, model: str) -> Collection[str]:
        return ("image/png",) if model == FOX.model else ()


async def test_the_service_gets_what_it_takes(tmp_path: Path) -> None:
    """Bug: an AVIF was refused by the model after its upload link was used up, and a photo went out on its side."""
    pencil = Pencil()
    references = (
        Reference(data=encoded(photo(), "image/avif"), media_type="image/avif", name="a.avif", origin="an upload"),
        Reference(data=jpeg_with(HELD, exif_segment(tiff(6))), media_type="image/jpeg", name="b.jpg"),
        Reference(data=encoded(photo()), media_type="image/png", name="c.png"),
        Reference(url="https://example.com/d.png"),
    )
    async with pipeline_fixture(tmp_path, pencil) as pipeline:
        await pipeline.draw(replace(FOX, references=references))
    [sent] = pencil.asked
    assert [each.media_type for each in sent.references] == ["image/png", "image/png", "image/png", ""]
    assert [each.name for each in sent.references] == [each.name for each in references]
    assert Image.open(io.BytesIO(sent.references[1].data)).size == (40, 80)
    assert sent.references[2:] == references[2:]


async def test_each_service_says_what_it_takes(tmp_path: Path) -> None:
    pencil = PngOnly()
    async with pipeline_fixture(tmp_path, pencil) as pipeline:
        await pipeline.draw(replace(FOX, references=(Reference(data=encoded(photo(), "image/webp"), name="a.webp"),)))
    [reference] = pencil.asked[0].references
    assert (reference.media_type, reference.data[:4]) == ("image/png", b"\x89PNG")


async def test_a_reference_that_is_damaged_ends_the_job_before_it_costs_anything(tmp_path: Path) -> None:
    pencil = Pencil()
    cut = Reference(data=encoded(photo(), "image/jpeg")[:999], name="a.jpg", origin="history_id 3, picture 1")
    async with pipeline_fixture(tmp_path, pencil) as pipeline:
        job = await pipeline.draw(replace(FOX, references=(cut,)))
    assert pencil.asked == []
    assert job.failure is not None
    assert job.failure.kind == "reference"
    assert job.failure.reason == (
        "The reference picture (history_id 3, picture 1) is damaged or cut short. Nothing was charged."
    )
