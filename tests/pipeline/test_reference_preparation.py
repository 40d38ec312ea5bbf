"""References and masks as they reach an image service, through the whole pipeline."""

from dataclasses import replace
from pathlib import Path

from PIL import Image

from service.images import ImageRequest, Reference, ReferenceRules
from service.pictures.masks import read_mask
from service.pipeline.reference_preparation import MASK_BYTES, prepared
from tests.emulators.pictures import png
from tests.pictures.samples import corner_marked, encoded, opened, photo
from tests.pipeline_fixture import FOX, Pencil, pipeline_fixture

PICTURE = encoded(photo(80, 40))
REGION = Image.new("L", (80, 40))
REGION.paste(255, (0, 0, 20, 20))
MASK = Reference(data=read_mask(encoded(REGION), PICTURE).data, media_type="image/png", name="m.png", origin="painted")


def fox(*references: bytes, rules: ReferenceRules, mask: Reference | None = MASK) -> ImageRequest:
    given = tuple(Reference(data=each, name=f"{number}.png") for number, each in enumerate(references))
    return replace(FOX, references=given, mask=mask, rules=rules)


async def sent(tmp_path: Path, request: ImageRequest) -> ImageRequest:
    """The request as the image service gets it."""
    pencil = Pencil()
    async with pipeline_fixture(tmp_path, pencil) as pipeline:
        job = await pipeline.draw(request)
    assert job.failure is None, job.failure
    [asked] = pencil.asked
    return asked


async def test_a_mask_has_the_size_of_its_picture_as_that_is_sent(tmp_path: Path) -> None:
    """OpenAI API reference, Create image edit: the mask must have the size of the first image."""
    request = await sent(tmp_path, fox(PICTURE, png(2), rules=ReferenceRules(most_pixels=800, mask="alpha")))
    assert request.mask is not None
    first, mask = opened(request.references[0].data), opened(request.mask.data)
    assert (first.size, mask.size) == ((40, 20), (40, 20))
    assert mask.getchannel("A").point(lambda value: 255 - value).getbbox() == (0, 0, 10, 10)
    assert len(request.mask.data) <= MASK_BYTES
    assert len(request.references) == 2
    assert request.prompt == FOX.prompt


async def test_a_picture_with_a_mask_is_a_png_like_it(tmp_path: Path) -> None:
    """OpenAI's image generation guide, Mask requirements: the same format; the other references stay as they are."""
    jpeg_ = encoded(photo(80, 40), "image/jpeg", quality=90)
    request = await sent(tmp_path, fox(jpeg_, jpeg_, rules=ReferenceRules(mask="alpha")))
    assert [each.media_type for each in request.references] == ["image/png", "image/jpeg"]
    assert opened(request.references[0].data).tobytes() == opened(jpeg_).tobytes()
    assert request.references[1].data == jpeg_


async def test_a_marked_region_comes_last_and_with_words(tmp_path: Path) -> None:
    """Ours: the prompt may speak of the second picture, which stays the second."""
    request = await sent(tmp_path, fox(PICTURE, png(2), rules=ReferenceRules(mask="marked")))
    assert request.mask is None
    assert [each.origin for each in request.references][2:] == ["the marked region"]
    assert request.references[0].data == PICTURE
    assert request.prompt.startswith(FOX.prompt)
    assert "The last picture is a copy of the first one, on which a region is marked in" in request.prompt
    marked, before = opened(request.references[2].data).convert("RGB"), opened(PICTURE).convert("RGB")
    assert marked.getpixel((60, 30)) != marked.getpixel((10, 10))
    assert before.size == marked.size


async def test_the_history_keeps_the_prompt_of_the_person(tmp_path: Path) -> None:
    pencil = Pencil()
    async with pipeline_fixture(tmp_path, pencil) as pipeline:
        job = await pipeline.draw(fox(PICTURE, rules=ReferenceRules(mask="marked")))
    assert (job.prompt, job.parameters["mask"]) == (FOX.prompt, "painted")
    assert "rules" not in job.parameters


async def test_the_types_of_the_model_go_before_those_of_its_service(tmp_path: Path) -> None:
    webp = encoded(corner_marked(40, 80), "image/webp", lossless=True)
    request = await sent(tmp_path, fox(webp, rules=ReferenceRules(types=("image/png",)), mask=None))
    assert request.references[0].media_type == "image/png"
    (tmp_path / "again").mkdir()
    kept = await sent(tmp_path / "again", fox(webp, rules=ReferenceRules(), mask=None))
    assert kept.references[0].media_type == "image/webp"


async def test_a_reference_is_converted_once_for_equal_rules(tmp_path: Path) -> None:
    """Ours: several requests for one call, retries and the next call start from the same bytes."""
    async with pipeline_fixture(tmp_path, Pencil()) as pipeline:
        pictures, rules = pipeline.generation.pictures, ReferenceRules(types=("image/jpeg",), most_pixels=500)
        one, other = [await prepared(pictures, "anna", fox(PICTURE, rules=rules, mask=None), ()) for _ in range(2)]
        assert one.references[0].data is other.references[0].data
        smaller = await prepared(pictures, "anna", fox(PICTURE, rules=replace(rules, most_pixels=200), mask=None), ())
        assert opened(smaller.references[0].data).size < opened(one.references[0].data).size


async def test_a_mask_that_is_damaged_ends_the_job_before_it_costs_anything(tmp_path: Path) -> None:
    pencil = Pencil()
    async with pipeline_fixture(tmp_path, pencil) as pipeline:
        cut = replace(MASK, data=MASK.data[:40])
        job = await pipeline.draw(fox(PICTURE, rules=ReferenceRules(mask="alpha"), mask=cut))
    assert pencil.asked == []
    assert job.failure is not None
    assert job.failure.reason == "The mask (painted) is damaged or cut short. Nothing was charged."
