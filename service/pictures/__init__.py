"""The bytes of pictures: sniffing, previews, metadata, and the import of pictures from outside."""
