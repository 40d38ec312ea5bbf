"""Requests by way of the proxies of the environment: one middleware of the one `ClientSession`.

1. A request to an image service, or for a picture on its own host, goes through the proxy for that host, which then
   resolves the name.
2. A guarded download from another host (`fetch.py`) has resolved and checked the name before: its URL holds a checked
   address, its `Host` header the name. By https the proxy is asked for a tunnel to that very address, so it connects to
   the address that was checked.
3. By http such a download goes directly. A proxy takes the host from the URL, not from the header (RFC 9112, 3.2.2), so
   the server would be asked for a site that has its address for a name.
"""

import aiohttp
from yarl import URL

from service.proxies import Proxies


def proxying(proxies: Proxies) -> aiohttp.ClientMiddlewareType:
    """Return the middleware that sends each request by way of the proxy for its host, if there is one."""

    async def send(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        named = URL(f"{request.url.scheme}://{request.headers.get('Host', request.url.host)}")
        is_download = named.host != request.url.host
        if request.url.scheme == "https" or not is_download:
            proxy = proxies.for_host(named.scheme, named.host or "", named.port)
            request.update_proxy(URL(proxy) if proxy else None, None, None)
        return await handler(request)

    return send
