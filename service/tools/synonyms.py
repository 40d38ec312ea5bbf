"""Synonyms: the names under which models send arguments that a tool has by another name. MEANT_BY is the one table."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

DELETION: Final = "To delete one, call the tool `delete` with its history_id."
SEVERAL: Final = "For several pictures, call it once for each, with variation 1, 2, 3."

_COUNTS: Final = (
    "n count num number amount quantity samples numsamples images numimages nimages numberofimages imagecount "
    "numoutputs numberofoutputs batch batchsize batchcount variations numvariations numpictures numberofpictures"
)
_FILES: Final = (
    "file files localfile localfiles localpath path filepath filename imagepath imagefile inputfile attachment "
    "attachments attachedimage userimage photo"
)
_SHAPES: Final = "width height dimensions dimension imagesize imagedimensions"

MEANT_BY: Final[Mapping[str, str]] = {
    "prompt": "text words input description imageprompt caption instruction instructions subject style scene artstyle "
    "content query message",
    "query": "keyword keywords search searchquery searchterm searchterms term terms q filter find text words prompt",
    "negative_prompt": "negative negprompt avoid exclude",
    "use_latest_user_image": _FILES,
    "use_upload": f"{_FILES} upload uploadimage device",
    "image_url": "image url urls uri imageurls imageuri inputimage inputimages inputurl referenceimage referenceimages "
    "referenceurl reference references imagereference initimage source sourceimage baseimage sourceurl "
    "pictureurl photourl refimage imagebase64 mask link",
    "history_id": "id ids imageid pictureid generationid jobid taskid parent parentid historynumber entryid historyids",
    "picture": "index pictureindex imageindex picturenumber imagenumber",
    "size": f"{_SHAPES} pixels",
    "aspect_ratio": f"ratio shape orientation aspect imageratio proportions format {_SHAPES}",
    "output_format": "fileformat outputtype imageformat extension mimetype format",
    "background": "transparent transparency",
    "model": "engine modelname modelid checkpoint imagemodel",
    "quality": "hd detail",
    "resolution": "hd upscale imagesize",
    "steps": "numinferencesteps numsteps samplingsteps inferencesteps",
    "guidance": "cfg cfgscale guidancescale",
    "loras": "lora loraid lorascale",
    "return_base64": "base64 b64 b64json responseformat",
    "before": "page offset cursor after start beforeid",
    "limit": f"{_COUNTS} pagesize perpage top max maxresults size",
    "keep": f"{_COUNTS} newest",
    "state": "status",
    "action": "status operation command mode",
    "wait_seconds": "wait timeout seconds waittime",
    "confirm": "confirmed yes force approve approved",
    "include_history": "history deletehistory all",
}
"""The other names of each argument, in small letters without signs."""


def is_count(name: str) -> bool:
    """Tell whether an argument of this name says how many pictures to make."""
    return re.sub(r"[^a-z0-9]", "", name[:60].lower()) in _COUNTS.split()


def advice_for(name: str, known: Sequence[str]) -> str:
    """Return the advice for an argument of this name, where it is a synonym of those that the tool has; else ""."""
    word = re.sub(r"[^a-z0-9]", "", name[:60].lower())
    if "variation" in known and is_count(name):
        return f" {SEVERAL}"
    if "before" in known and word in ("delete", "deleted", "deleteid", "remove", "action"):
        return f" {DELETION}"
    meant = [each for each in known if each.replace("_", "") == word] or [
        argument for argument, names in MEANT_BY.items() if argument in known and word in names.split()
    ]
    return f" Did you mean {' or '.join(f'`{each}`' for each in meant[:2])}?" if meant else ""
