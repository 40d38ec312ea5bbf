"""The content of the golden file of a profile: its wait, and its results in six cases.

The pipeline draws a preview that fits the profile, so here it has the profile's whole size; in the file stands only how
large it is.
"""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from service.images import Failure, Job, JobState, KeptPicture, Parent
from service.pipeline.generation import Outcome
from service.profiles import Profile, Profiles
from service.protocol.client import Client
from service.tools.result_size import fit_to_limit
from service.tools.results import job_result

FOLDER: Final = Path(__file__).parent
NOBODY: Final = Client()
PICTURES_URL: Final = "https://easel.example/mcp-cache/"
FIRST: Final = KeptPicture(name="a" * 32 + ".png", media_type="image/png", width=1024, height=768, size=312_000)
SECOND: Final = KeptPicture(name="b" * 32 + ".jpg", media_type="image/jpeg", width=768, height=1024, size=98_400)


@dataclass(frozen=True, kw_only=True)
class Caller:
    """As much of a call as decides how it is answered."""

    client: Client = NOBODY
    client_hint: str = ""
    progress_token: object | None = None
    is_from_view: bool = False
    is_task: bool = False


def job(state: JobState = JobState.DONE, **more: Any) -> Job:
    """A job with what all of them have."""
    common = {
        "history_id": 12,
        "owner": "anna",
        "model": "pencil-1",
        "prompt": "a red fox",
        "created_at": 1_800_000_000.5,
    }
    ended = {} if state is JobState.WORKING else {"finished_at": 1_800_000_002.75}
    return Job(state=state, **{**common, **ended, **more})


CASES: Final = {
    "done": Outcome(job=job(pictures=(FIRST,))),
    "working": Outcome(job=job(JobState.WORKING, upstream="modelscope", tasks={0: "1f0c-77"})),
    "failed": Outcome(
        job=job(
            JobState.FAILED, failure=Failure(kind="policy", reason="The prompt was refused. Ask for something else.")
        )
    ),
    "joined": Outcome(job=job(pictures=(FIRST,)), joined=True),
    "two pictures": Outcome(
        job=job(
            pictures=(FIRST, SECOND),
            parameters={"references": ["history_id 3, picture 1", "cat.png of the image folder"]},
            parents=(Parent(history_id=3),),
        )
    ),
    "two of three": Outcome(
        job=job(
            pictures=(FIRST, SECOND),
            parameters={"count": 3},
            shortfall=Failure(kind="policy", reason="The prompt was refused. Ask for something else."),
        )
    ),
}


def golden(profile: Profile) -> bytes:
    """The file of one profile."""
    profiles = Profiles()
    waits = {
        "without progress": profiles.patience_s(Caller(client_hint=profile.name)),
        "with progress": profiles.patience_s(Caller(client_hint=profile.name, progress_token=1)),
    }
    results = {name: without_data(result_of(outcome, profile)) for name, outcome in CASES.items()}
    shown = {"seconds that a call may take": waits, "results": results}
    return orjson.dumps(shown, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def result_of(outcome: Outcome, profile: Profile) -> dict[str, Any]:
    """The result as it goes out, with a preview if there is something to see."""
    pictures = outcome.job.pictures
    preview = bytes(profile.preview_bytes // len(pictures)) if pictures else None
    others = (preview,) * (len(pictures) - 1) if preview else ()
    drawn = Outcome(job=outcome.job, preview=preview, others=others, joined=outcome.joined)
    return fit_to_limit(job_result(drawn, profile, PICTURES_URL), profile)


def without_data(result: dict[str, Any]) -> dict[str, Any]:
    """The result with the size of its images in place of their base64."""
    content = [
        {**block, "data": f"base64 of {len(base64.b64decode(block['data']))} bytes"} if "data" in block else block
        for block in result["content"]
    ]
    return {**result, "content": content}
