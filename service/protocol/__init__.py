"""The Model Context Protocol without I/O: values in, values out."""
