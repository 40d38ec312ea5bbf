"""A text that tries every way out of the Markdown that shows it."""

from typing import Final

HOSTILE: Final = (
    'see ![x](https://evil.example/a.png) [y](z) <img src="q"> `code\n# head\x00\x7f\u202e\U000e0041 '
    "[r]: http://evil.example"
)
