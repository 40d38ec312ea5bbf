"""MCP by hand, in two halves. Neither opens a socket or a file; the clock and randomness of the first are arguments.

Values, pure functions and data: `errors`, `jsonrpc`, `headers`, `client`, `signing`, `session`,
`client_requests`, `round_trips`, `task_records`, `admission`, `catalog`, `methods`, `offers`, `dispatch`.

State of the running server, on asyncio: `channel` and `call` of one call; `pending_requests`, `tasks`,
`subscriptions` and `replay` of all of them.
"""
