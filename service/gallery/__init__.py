"""The gallery: the pages on which people see, find, draw and delete their pictures in a browser, and their data."""
