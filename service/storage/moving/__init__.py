"""The move of an installation to another database and another place of its pictures."""
