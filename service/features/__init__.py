"""Everything offered beside the tools: resources, prompts, completions and change notifications."""
