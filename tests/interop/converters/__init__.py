"""The converters by which model APIs take the listed schemas, as hosts run them: each must take every tool of ours."""
