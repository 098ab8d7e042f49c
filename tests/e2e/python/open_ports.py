"""
Tries to open TCP connections, all at the same time, and tells how each went.

    python open_ports.py 172.18.0.2:80 database:5432

Prints an object in JSON: for each target "open", "refused" (something answered, and nobody listens there) or "no way".
"""

import asyncio
import json
import sys

# The kernel knocks again after one second and after three.
PATIENCE_SECONDS = 5


async def attempt(target: str) -> str:
    """How a connection to host:port went."""
    host, port = target.rsplit(":", 1)
    try:
        opening = asyncio.open_connection(host, int(port))
        _, writer = await asyncio.wait_for(opening, PATIENCE_SECONDS)
    except ConnectionRefusedError:
        return "refused"
    except OSError:  # No route, an unknown name; and the time being over.
        return "no way"
    writer.close()
    return "open"


async def main(targets: list[str]) -> None:
    """Tries all of them."""
    outcomes = await asyncio.gather(*(attempt(target) for target in targets))
    print(json.dumps(dict(zip(targets, outcomes, strict=True))))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
