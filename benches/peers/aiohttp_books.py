"""The two-phase script as it is usually written, at its best: aiohttp, a semaphore, and an index on
the key. All list pages first, then all detail pages, each document updated by itself.

    aiohttp_books.py BASE_URL MONGODB_URI WORKERS
"""

import asyncio
import sys

import aiohttp
import pymongo

PAGE = 18


async def main(base: str, uri: str, workers: int) -> None:
    slots = asyncio.Semaphore(workers)
    connector = aiohttp.TCPConnector(limit=workers)
    async with pymongo.AsyncMongoClient(uri) as client, aiohttp.ClientSession(connector=connector) as session:
        books = client.get_default_database()["books"]
        await books.create_index("id", unique=True)

        async def fetch(path: str) -> dict:
            async with slots, session.get(base + path) as answer:
                answer.raise_for_status()
                return await answer.json()

        async def store(key: str) -> None:
            book = await fetch(f"/api/book/{key}/")
            await books.update_one({"id": book["id"]}, {"$set": book}, upsert=True)

        first = await fetch(f"/api/book/?limit={PAGE}&offset=0")
        offsets = range(PAGE, first["count"], PAGE)
        rest = await asyncio.gather(*(fetch(f"/api/book/?limit={PAGE}&offset={at}") for at in offsets))
        keys = [row["id"] for page in [first, *rest] for row in page["results"]]
        await asyncio.gather(*(store(key) for key in keys))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
