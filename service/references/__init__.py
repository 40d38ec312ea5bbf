"""Reference pictures: from the arguments of a call to bytes."""
