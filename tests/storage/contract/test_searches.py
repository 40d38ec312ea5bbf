"""Pages of the history: by words of both kinds, by facets and days, newest first and counted."""

from itertools import product

import pytest

from service.images import ImageRequest, JobState, Parent, Reference
from service.storage import store as contract
from service.storage.sqlite import searches
from service.storage.store import Page, Search, Store
from tests.stores import POLICY, Clock, begin, made


async def prompts(store: Store, query: str) -> list[str]:
    """The matches of a query, newest first; the count must agree."""
    page = await store.page("ann", Search(query=query), 100)
    assert (page.total, page.more) == (len(page.jobs), False)
    return [job.prompt for job in page.jobs]


@pytest.mark.parametrize(("query", "found"), [
    pytest.param("猫", ["一只猫", "黑猫警长", "a cat 猫"], id="one character, wherever it stands"),
    pytest.param("黑猫", ["黑猫警长"], id="two"),
    pytest.param("警长", ["黑猫警长"], id="the last two"),
    pytest.param("黑猫警长", ["黑猫警长"], id="all"),
    pytest.param("黑警", [], id="characters that are not neighbours"),
    pytest.param("猫黑", [], id="the wrong way round"),
    pytest.param("猫 黑", ["黑猫警长"], id="apart and in any order"),
    pytest.param("cat 猫", ["a cat 猫"], id="both kinds"),
    pytest.param("猫cat", ["a cat 猫"], id="both kinds in one"),
    pytest.param("CAT", ["A Cat, in a hat!", "a cat 猫"], id="upper case"),
    pytest.param("nig", ["Café by night"], id="the beginning of the last word"),
    pytest.param("nig cafe", [], id="not of another word"),
    pytest.param("ca", [], id="not of two letters"),
    pytest.param("hat cat", ["A Cat, in a hat!"], id="all words, in any order"),
    pytest.param("at", [], id="not the end of a word"),
    pytest.param("cafe", ["Café by night"], id="without the accent"),
    pytest.param("cat's", [], id="punctuation separates"),
    pytest.param("dog", [], id="nothing"),
    pytest.param("!?", [], id="no word at all"),
    pytest.param("  ", ["Café by night", "一只猫", "黑猫警长", "A Cat, in a hat!", "a cat 猫"], id="empty means all"),
])  # fmt: skip
async def test_words_are_found(store: Store, query: str, found: list[str]) -> None:
    for prompt in ("a cat 猫", "A Cat, in a hat!", "黑猫警长", "一只猫", "Café by night"):
        await made(store, prompt)
    assert await prompts(store, query) == found


@pytest.mark.parametrize(("query", "found"), [
    pytest.param("बिल्ली", ["टोपी में बिल्ली"], id="Hindi"),
    pytest.param("बिल", ["बिल का भुगतान", "टोपी में बिल्ली"], id="Hindi: the beginning of a word"),
    pytest.param("बल", [], id="Hindi: consonants without their vowel signs"),
    pytest.param("टोपी बिल्ली", ["टोपी में बिल्ली"], id="Hindi: two words"),
    pytest.param("شمس", ["شَمْسٌ فوق البحر"], id="Arabic: without points"),
    pytest.param("شَمْس", ["شَمْسٌ فوق البحر"], id="Arabic: with points"),
    pytest.param("البحر", ["شَمْسٌ فوق البحر"], id="Arabic: the last word"),
    pytest.param("שלום", ["שָׁלוֹם עולם"], id="Hebrew: without points"),
    pytest.param("עוֹלָם", ["שָׁלוֹם עולם"], id="Hebrew: with points"),
    pytest.param("แมว", ["แมวดำกินปลา"], id="Thai: the first word"),
    pytest.param("กินปลา", ["แมวดำกินปลา"], id="Thai: words within"),
    pytest.param("แมวกิน", [], id="Thai: words that are not neighbours"),
    pytest.param("แมว ปลา", ["แมวดำกินปลา"], id="Thai: words apart"),
    pytest.param("กน", [], id="Thai: consonants without their vowel signs"),
    pytest.param("ປາ", ["ແມວກິນປາ"], id="Lao"),
    pytest.param("ឆ្មា", ["ឆ្មាខ្មៅ"], id="Khmer"),
    pytest.param("ကြောင်", ["ကြောင်နက်"], id="Burmese"),
    pytest.param("고양이", ["검은 고양이가 자는 방"], id="Korean: a word without its ending"),
    pytest.param("ネコ", ["黒いﾈｺとカフェ"], id="Japanese: half width"),
    pytest.param("黒い", ["黒いﾈｺとカフェ"], id="Japanese: both scripts"),
    pytest.param("ｃａｆé", ["CAFE by the sea"], id="Latin: full width and accent"),
    pytest.param("елка", ["зелёная Ёлка"], id="Russian"),
])  # fmt: skip
async def test_words_of_any_language_are_found(store: Store, query: str, found: list[str]) -> None:
    """Ours: the schema of `history` promises it."""
    for prompt in (
        "टोपी में बिल्ली", "बिल का भुगतान", "شَمْسٌ فوق البحر", "שָׁלוֹם עולם", "แมวดำกินปลา", "ແມວກິນປາ", "ឆ្មាខ្មៅ", "ကြောင်နက်",
        "검은 고양이가 자는 방", "黒いﾈｺとカフェ", "CAFE by the sea", "зелёная Ёлка",
    ):  # fmt: skip
        await made(store, prompt)
    assert await prompts(store, query) == found


@pytest.mark.parametrize("query", [
    '"', '""', '"cat', "'", "cat*", "*", "(", "cat AND", "NOT", "OR OR", "NEAR(", "words:cat", "owner : x", "-cat",
    "^c", "cat\0", "\0", "{words}: cat", "a" * 100_000, "cat " * 10_000, "猫" * 10_000,
    " ".join(map(str, range(5_000))),
])  # fmt: skip
async def test_no_query_is_an_error(store: Store, query: str) -> None:
    """Ours: a model may ask for anything, and signs that a database takes for its own are just signs."""
    await made(store, "a cat")
    assert await prompts(store, query) in ([], ["a cat"])


async def test_prompts_of_others_are_not_found(store: Store) -> None:
    """Attack: neither by their words nor by their number."""
    await made(store, "a cat", owner="bob")
    nothing = Page(jobs=[], more=False, total=0)
    for query in ("cat", "", "bob", "o626f62", "owner"):
        assert await store.page("ann", Search(query=query), 10) == nothing
    assert (await store.page("bob", Search(query="cat"), 10)).total == 1


async def test_pages_follow_one_another_and_count_the_same(store: Store) -> None:
    """Ours: a person pages through what was found, and is told how much there is."""
    jobs = [await made(store, f"a fox {'red' if n % 2 else 'blue'}") for n in range(10)]
    wanted = [job for job in reversed(jobs) if "red" in job.prompt]
    first = await store.page("ann", Search(query="red"), 2)
    second = await store.page("ann", Search(query="red"), 2, before=first.jobs[-1].history_id)
    third = await store.page("ann", Search(query="red"), 2, before=second.jobs[-1].history_id)
    assert [first.jobs, second.jobs, third.jobs] == [wanted[:2], wanted[2:4], wanted[4:]]
    assert [each.more for each in (first, second, third)] == [True, True, False]
    assert [each.total for each in (first, second, third)] == [5, 5, 5]


async def test_conditions_hold_together(store: Store) -> None:
    fox = ImageRequest(model="kiln-1", prompt="a fox")
    done = await made(store, "a fox", model="kiln-1")
    failed = await store.fail(await begin(store, request=fox), POLICY)
    working = await begin(store, request=fox)
    other = await made(store, "a fox", model="kiln-2")
    for query in ("", "fox"):
        for search, jobs in (
            (Search(query=query, model="kiln-1"), [working, failed, done]),
            (Search(query=query, state=JobState.DONE), [other, done]),
            (Search(query=query, state=JobState.FAILED, model="kiln-1"), [failed]),
            (Search(query=query, state=JobState.WORKING), [working]),
            (Search(query=query, model="kiln-3"), []),
            (Search(query=query and "hen", model="kiln-2", state=JobState.FAILED), []),
        ):
            assert await store.page("ann", search, 10) == Page(jobs=list(jobs), more=False, total=len(jobs)), search


@pytest.mark.parametrize("query", ["", "fox"])
@pytest.mark.parametrize(("newest", "beyond", "found"), [
    pytest.param(2, None, [4, 3], id="recent"),
    pytest.param(None, 2, [2, 1, 0], id="archive"),
    pytest.param(5, None, [4, 3, 2, 1, 0], id="all are recent"),
    pytest.param(50, None, [4, 3, 2, 1, 0], id="fewer than recent holds"),
    pytest.param(None, 5, [], id="no archive yet"),
    pytest.param(None, 50, [], id="far from an archive"),
    pytest.param(0, None, [], id="nothing is recent"),
    pytest.param(None, 0, [4, 3, 2, 1, 0], id="everything is archive"),
    pytest.param(3, 1, [3, 2], id="between the two"),
    pytest.param(1, 3, [], id="both at once, where nothing is left"),
    pytest.param(-1, None, [], id="less than nothing"),
    pytest.param(10**30, -(10**30), [4, 3, 2, 1, 0], id="beyond what a database counts"),
])  # fmt: skip
async def test_scopes_go_by_how_new_a_job_is(
    store: Store, query: str, newest: int | None, beyond: int | None, found: list[int]
) -> None:
    """Ours: among the owner's own jobs, whatever others make meanwhile."""
    jobs = []
    for _ in range(5):
        jobs.append(await made(store, "a fox"))
        await made(store, "a fox", owner="bob")
    page = await store.page("ann", Search(query=query, newest=newest, beyond=beyond), 10)
    assert page == Page(jobs=[jobs[n] for n in found], more=False, total=len(found))


@pytest.mark.parametrize("query", ["", "fox"])
async def test_odd_pages_are_answered(store: Store, query: str) -> None:
    """Ours: numbers from a model never become an error of the database."""
    search = Search(query=query)
    jobs = [await made(store, "a fox") for _ in range(3)][::-1]
    assert await store.page("ann", search, 0) == Page(jobs=[], more=True, total=3)
    assert await store.page("ann", search, -5) == Page(jobs=[], more=True, total=3)
    assert await store.page("ann", search, 10**30, 10**30) == Page(jobs=jobs, more=False, total=3)
    assert await store.page("ann", search, 5, -(10**30)) == Page(jobs=[], more=False, total=3)


async def test_what_is_deleted_is_found_no_more(store: Store) -> None:
    """Ours: also not by its words, which would tell what it was."""
    fox, hen = await made(store, "a fox"), await made(store, "a hen")
    await store.delete("ann", fox.history_id)
    assert await prompts(store, "fox") == []
    assert await prompts(store, "hen") == await prompts(store, "") == [hen.prompt]


async def test_many_matches_are_counted_so_far(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours: a page of a word that stands in a million prompts takes no longer than that of a rare one."""
    monkeypatch.setattr(contract, "COUNTED", 3)
    monkeypatch.setattr(contract, "COUNTED_WORDS", 3)
    for number in range(4):
        await made(store, f"a fox {number}", model="m")
    many = [Search(query="fox"), Search(model="m", newest=50, beyond=0, query="fox"), Search(since=0.0, until=1e9)]
    for search in many:
        page = await store.page("ann", search, 2)
        assert (len(page.jobs), page.total, page.at_least, page.more) == (2, 3, True, True)
    exact = [(Search(query="fox 3"), 1), (Search(model="m"), 4), (Search(state=JobState.DONE), 4), (Search(), 4)]
    for search, total in exact:
        page = await store.page("ann", search, 2)
        assert (page.total, page.at_least) == (total, False), search


async def test_a_long_beginning_finds_all_its_words(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours: also of more words than are looked up one by one, and never by those of somebody else."""
    for word in ("lights", "lightning", "lighthouse", "lilac"):
        await made(store, f"a {word} at sea")
    await made(store, "a lightship", owner="bob")
    for most in (40, 2):
        monkeypatch.setattr(searches, "WORDS_OF_BEGINNING", most)
        assert await prompts(store, "sea light") == [
            f"a {word} at sea" for word in ("lighthouse", "lightning", "lights")
        ]
        assert await prompts(store, "sea lightn") == ["a lightning at sea"]
        assert await prompts(store, "lights") == ["a lights at sea"]
        assert await prompts(store, "lightz") == []


async def test_clocks_of_two_processes_may_differ_a_little(store: Store, clock: Clock) -> None:
    """Ours: a job counts as begun no earlier than the one in front of it, so that days stay a stretch of rows."""
    clock.now = 1000.0
    first = await made(store, "a fox")
    clock.now = 999.5
    second = await made(store, "a fox")
    assert second.created_at == first.created_at == 1000.0
    page = await store.page("ann", Search(since=1000.0), 5)
    assert page.jobs == [second, first]


async def test_days_and_parents_are_found_with_all_other_filters_page_by_page(store: Store, clock: Clock) -> None:
    """Ours: also where a clock was put back, so that the order of numbers is not that of times."""
    first = await made(store, "a first fox", "first.png")
    times = [5000, 5100, 5200, 100, 5300, 200, 9000, 5400, 5500, 50, 9100, 5600] * 3
    for at, now in enumerate(times):
        clock.now = float(now)
        parent = Reference(parent=Parent(history_id=first.history_id)) if at % 3 == 0 else Reference()
        request = ImageRequest(model=f"m{at % 2}", prompt=("fox", "owl")[at % 5 == 0], references=(parent,))
        job = await begin(store, "ann", request)
        await (store.fail(job, POLICY) if at % 4 == 0 else store.finish(job, []))
        await made(store, "fox", owner="ben", model="m1")
    every = await store.jobs("ann", 100)
    assert sum(bool(job.parents) for job in every) == 12
    spans = [(None, None), (5100.0, 5400.0), (None, 300.0), (5601.0, None), (6000.0, 6001.0), (100.0, 101.0)]
    for (since, until), has_parents, query, model, state in product(
        spans, (None, True, False), ("", "fox"), ("", "m1"), (None, JobState.FAILED)
    ):
        search = Search(query=query, model=model, state=state, has_parents=has_parents, since=since, until=until)
        expected = [
            job.history_id
            for job in every
            if (not query or query in job.prompt)
            and (not model or job.model == model)
            and (state is None or job.state is state)
            and (has_parents is None or bool(job.parents) is has_parents)
            and (since is None or job.created_at >= since)
            and (until is None or job.created_at < until)
        ]
        found, before = [], None
        while True:
            page = await store.page("ann", search, 5, before)
            assert page.total == len(expected), search
            found += [job.history_id for job in page.jobs]
            if not page.more:
                break
            before = page.jobs[-1].history_id
        assert found == expected, search
