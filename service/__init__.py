"""Easel: an image-generation service for MCP clients."""
