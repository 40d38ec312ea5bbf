"""The fingerprint that makes two requests the same."""

from dataclasses import replace

import pytest

from service.images import ImageRequest, Reference
from service.pipeline.fingerprint import fingerprint_of

FOX = ImageRequest(model="pencil-1", prompt="a fox", seed=7, loras={"a/b": 0.5, "c/d": 1.0})
CAT = Reference(data=b"cat", name="c" * 32, origin="cat.png of the image folder")
DOG = Reference(data=b"dog", name="d" * 32, origin="an upload")


async def test_the_same_request_has_the_same_fingerprint() -> None:
    """Ours: however its parameters are ordered, and wherever the same reference came from this time."""
    again = ImageRequest(prompt="a fox", loras={"c/d": 1.0, "a/b": 0.5}, seed=7, model="pencil-1")
    assert await fingerprint_of("anna", "pencil", FOX) == await fingerprint_of("anna", "pencil", again)
    one, other = replace(FOX, references=(CAT,)), replace(FOX, references=(replace(CAT, origin="history_id 3"),))
    assert await fingerprint_of("anna", "pencil", one) == await fingerprint_of("anna", "pencil", other)


@pytest.mark.parametrize(
    ("owner", "upstream", "request_"),
    [
        pytest.param("ben", "pencil", FOX, id="another owner"),
        pytest.param("anna", "chalk", FOX, id="another image service"),
        pytest.param("anna", "pencil", replace(FOX, model="pencil-2"), id="another model"),
        pytest.param("anna", "pencil", replace(FOX, prompt="a fox "), id="another prompt"),
        pytest.param("anna", "pencil", replace(FOX, seed=0), id="another seed"),
        pytest.param("anna", "pencil", replace(FOX, loras={"a/b": 0.6, "c/d": 1.0}), id="another weight"),
        pytest.param("anna", "pencil", replace(FOX, variation=2), id="another variation"),
        pytest.param("anna", "pencil", replace(FOX, references=(CAT,)), id="a reference"),
        pytest.param("anna", "pencil", replace(FOX, references=(Reference(url="https://e.example/a?b"),)), id="a URL"),
        pytest.param("anna", "pencil", replace(FOX, references=(Reference(data=b"cat"),)), id="bytes without a name"),
    ],
)
async def test_a_request_that_differs_has_another(owner: str, upstream: str, request_: ImageRequest) -> None:
    """Ours: whoever asks for something else gets something else."""
    assert await fingerprint_of(owner, upstream, request_) != await fingerprint_of("anna", "pencil", FOX)


async def test_a_mask_makes_another_request_and_another_mask_too() -> None:
    """Ours: a picture whose sky changes is not the one whose ground changes, and neither is one without a mask."""
    plain = replace(FOX, references=(CAT,))
    asked = (plain, replace(plain, mask=DOG), replace(plain, mask=CAT), replace(FOX, references=(CAT, DOG)))
    assert len({await fingerprint_of("anna", "pencil", each) for each in asked}) == 4
    told_otherwise = replace(plain, mask=replace(DOG, origin="painted by the person"))
    assert await fingerprint_of("anna", "pencil", asked[1]) == await fingerprint_of("anna", "pencil", told_otherwise)


async def test_the_order_of_references_matters() -> None:
    """Ours: "put the first into the second" is another picture the other way round."""
    one, other = replace(FOX, references=(CAT, DOG)), replace(FOX, references=(DOG, CAT))
    assert await fingerprint_of("anna", "pencil", one) != await fingerprint_of("anna", "pencil", other)
