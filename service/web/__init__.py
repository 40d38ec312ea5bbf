"""The HTTP edge: the MCP endpoint, the pictures, the upload page, health, and the guard before them."""
