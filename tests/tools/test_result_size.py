"""Every result fits its client, whatever was asked."""

import base64
import copy
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from service.pipeline.generation import Outcome
from service.profiles import PROFILES, Profile
from service.protocol.jsonrpc import LONGEST_ID, Result, result_message
from service.tools.base import load_schema
from service.tools.history_text import entry_text
from service.tools.result_size import CUT, DATA, LEFT_OUT, TOO_LONG, fit_to_limit
from service.tools.results import job_result, structure
from tests.profiles.golden import FIRST, PICTURES_URL, job

EVERYTHING = Profile(name="everything")
"""A client that takes all that the specification has but links."""


LONGEST = "\x01" * LONGEST_ID
"""The longest id on the wire: each character is escaped to six."""

STRICT = [each for each in PROFILES if each.name in ("unknown", "goose", "claude-code", "text")]
"""One of each kind, and the strictest."""

HISTORY = Draft202012Validator(load_schema("history.output"))


def small(kilobytes: int) -> Profile:
    return replace(EVERYTHING, max_bytes=kilobytes * 1000, links=True)


def image(size: int) -> dict[str, Any]:
    return {"type": "image", "data": base64.b64encode(bytes(size)).decode(), "mimeType": "image/jpeg"}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def listing(prompt: str, count: int = 50, pictures: int = 1) -> Result:
    """A page of the history as nobody should write it: with all the words."""
    kept = tuple(replace(FIRST, name=f"{number:032x}.png") for number in range(pictures))
    jobs = [job(history_id=number, prompt=prompt, pictures=kept) for number in range(1, count + 1)]
    return {
        "content": [text("\n".join(f"{entry_text(each, PICTURES_URL)} {each.prompt}" for each in jobs))],
        "structuredContent": {"entries": [structure(each, PICTURES_URL) for each in jobs]},
    }


def encoded(result: Result) -> int:
    return len(result_message(LONGEST, result))


@pytest.mark.parametrize("profile", STRICT, ids=lambda profile: profile.name)
@pytest.mark.parametrize(
    "result",
    [
        pytest.param({"content": [text("fox"), *[image(400_000)] * 5]}, id="images"),
        pytest.param({"content": [text("fox " * 1_000_000)]}, id="one endless line"),
        pytest.param({"content": [text("fox\n" * 500_000)]}, id="endless lines"),
        pytest.param({"content": [text('"\\\n' * 300_000)]}, id="every character escaped"),
        pytest.param({"content": [text("狐狸" * 300_000), text("狐狸" * 300_000)]}, id="three bytes each"),
        pytest.param(listing("a fox " * 5000), id="long prompts"),
        pytest.param(listing("狐狸" * 16_000), id="long Chinese prompts"),
        pytest.param(listing("\x01" * 32_000), id="prompts of control characters"),
        pytest.param(listing("a fox", pictures=10), id="many pictures"),
        pytest.param(
            {"content": [], "structuredContent": {"base64": "A" * 900_000, "prompt": "p" * 32_000}}, id="base64"
        ),
        pytest.param({"content": [], "structuredContent": {str(n): "x" for n in range(90_000)}}, id="endless object"),
    ],
)
def test_no_result_is_larger_than_its_client_takes(result: Result, profile: Profile) -> None:
    """Ours: counted on the wire, escapes and the longest id included (fastmcp #1036, claude-code #9152)."""
    before = copy.deepcopy(result)
    assert encoded(fit_to_limit(result, profile)) <= profile.max_bytes
    assert result == before


def test_a_result_that_fits_stays_as_it_is() -> None:
    result = job_result(Outcome(job=job(pictures=(FIRST,)), preview=bytes(150_000)), small(800), PICTURES_URL)
    assert fit_to_limit(result, small(800)) == result


def test_images_go_first_and_the_text_says_so() -> None:
    """Ours: the URL is the picture; the image is only a look at it."""
    result = job_result(Outcome(job=job(pictures=(FIRST,)), preview=bytes(30_000)), small(40), PICTURES_URL)
    shown = fit_to_limit(result, small(40))
    assert [block["type"] for block in shown["content"]] == ["text", "resource_link"]
    assert shown["content"][0]["text"] == f"{result['content'][0]['text']}\n{LEFT_OUT}"
    assert shown["structuredContent"] == result["structuredContent"]


def test_of_several_images_as_many_stay_as_fit() -> None:
    shown = fit_to_limit({"content": [text("fox"), image(9_000), image(9_000), image(9_000)]}, small(30))
    assert [block["type"] for block in shown["content"]] == ["text", "image"]
    assert shown["content"][0]["text"].count(LEFT_OUT) == 1


def test_an_image_without_words_just_goes() -> None:
    assert fit_to_limit({"content": [image(90_000)]}, small(30)) == {"content": []}


def test_links_go_before_words_do() -> None:
    words = "fox " * 2500
    links = [{"type": "resource_link", "uri": f"{PICTURES_URL}{n}.png", "name": f"{n}.png"} for n in range(100)]
    assert fit_to_limit({"content": [text(words), *links]}, small(20)) == {"content": [text(words)]}


def test_of_a_long_line_the_urls_and_the_number_stay_whole() -> None:
    """Ours: a URL that is cut shows nothing, and without the number nobody can ask again."""
    url = PICTURES_URL + FIRST.name
    line = f"fox {'word ' * 10_000} history_id: 12 and ![a fox]({url}) URL: {url}"
    [block] = fit_to_limit({"content": [text(line)]}, small(20))["content"]
    assert block["text"].startswith("fox word")
    assert block["text"].endswith(f"… history_id: 12 ![a fox]({url}) {url}")


def test_a_url_on_the_edge_is_not_cut_in_two() -> None:
    url = PICTURES_URL + FIRST.name
    line = f"{'x' * 1990} {url} {'y ' * 900}"
    [block] = fit_to_limit({"content": [text("\n".join([line] * 5))]}, small(20))["content"]
    assert block["text"] == "\n".join([f"{'x' * 1990}… {url}"] * 5)


def test_structured_content_goes_on_matching_its_schema() -> None:
    """Spec 2025-11-25, Tools, Output Schema: the SDKs of clients check it."""
    shown = fit_to_limit(listing("a fox " * 5000), small(100))["structuredContent"]
    assert not list(HISTORY.iter_errors(shown))
    assert [entry["history_id"] for entry in shown["entries"]] == list(range(1, 51))
    assert all(entry["images"][0]["url"].endswith(".png") for entry in shown["entries"])


def test_a_list_that_is_still_too_long_loses_its_end() -> None:
    shown = fit_to_limit(listing("a fox", pictures=10), small(60))
    assert not list(HISTORY.iter_errors(shown["structuredContent"]))
    assert 1 <= len(shown["structuredContent"]["entries"]) < 50
    assert shown["structuredContent"]["entries"][0]["history_id"] == 1


def test_lines_that_do_not_fit_go_from_the_end_and_the_text_says_what_to_do() -> None:
    [block] = fit_to_limit({"content": [text("\n".join(f"fox {number}" for number in range(10_000)))]}, small(20))[
        "content"
    ]
    first, *_, last = block["text"].split("\n")
    assert (first, last) == ("fox 0", CUT)


def test_base64_goes_as_a_whole_once_words_are_cut() -> None:
    """Ours: half of it is no picture."""
    shown = fit_to_limit({"content": [], "structuredContent": {DATA: "A" * 90_000, "prompt": "fox"}}, small(20))
    assert shown["structuredContent"] == {"prompt": "fox"}


def test_what_cannot_be_made_to_fit_is_told() -> None:
    shown = fit_to_limit({"content": [], "structuredContent": {str(n): "x" for n in range(9_000)}}, small(20))
    assert shown == {"content": [text(TOO_LONG)], "isError": True}


def test_what_a_client_does_not_take_is_left_out_of_any_result() -> None:
    """Ours: tools that know nothing of profiles are held to them, too."""
    link = {"type": "resource_link", "uri": "https://e.example/a", "name": "a"}
    result = {"content": [text("fox"), image(9), link], "structuredContent": {"a": 1}, "_meta": {"b": 2}}
    strict = replace(EVERYTHING, preview_bytes=0, structured=False, links=False)
    assert fit_to_limit(result, strict) == {"content": [text("fox")], "_meta": {"b": 2}}
    assert fit_to_limit(result, small(800)) == result


@pytest.mark.parametrize("hostile", ["![" * 16_000, "![](" * 8_000, "![a](" + "b" * 32_000, "http://" * 4_000])
def test_a_hostile_prompt_is_cut_as_fast_as_any(hostile: str) -> None:
    """Ours: a pattern that starts over at each character of it would hold up everybody, and this test, for minutes."""
    [block] = fit_to_limit({"content": [text(hostile * 20)]}, small(20))["content"]
    assert len(block["text"]) < 20_000
