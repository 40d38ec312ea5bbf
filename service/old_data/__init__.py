"""The takeover of what earlier servers kept: their history, their index and their pictures."""
