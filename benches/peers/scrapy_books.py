"""The same job with Scrapy and a pipeline that writes batches of 500.

    scrapy_books.py BASE_URL MONGODB_URI WORKERS
"""

import sys

import pymongo
import scrapy
from scrapy.crawler import CrawlerProcess

PAGE = 18
BATCH = 500


class Books(scrapy.Spider):
    name = "books"

    async def start(self):
        yield scrapy.Request(f"{self.base}/api/book/?limit={PAGE}&offset=0", self.first)

    def first(self, response):
        yield from self.listing(response)
        for at in range(PAGE, response.json()["count"], PAGE):
            yield scrapy.Request(f"{self.base}/api/book/?limit={PAGE}&offset={at}", self.listing)

    def listing(self, response):
        for row in response.json()["results"]:
            yield scrapy.Request(f"{self.base}/api/book/{row['id']}/", self.book)

    def book(self, response):
        yield response.json()


class Batches:
    @classmethod
    def from_crawler(cls, crawler):
        pipeline = cls()
        pipeline.uri = crawler.settings["MONGODB_URI"]
        return pipeline

    def open_spider(self):
        self.client = pymongo.MongoClient(self.uri)
        self.books = self.client.get_default_database()["books"]
        self.books.create_index("id", unique=True)
        self.batch = []

    def process_item(self, item):
        self.batch.append(pymongo.UpdateOne({"id": item["id"]}, {"$set": item}, upsert=True))
        if len(self.batch) >= BATCH:
            self.flush()
        return item

    def close_spider(self):
        self.flush()
        self.client.close()

    def flush(self):
        if self.batch:
            self.books.bulk_write(self.batch, ordered=False)
            self.batch = []


if __name__ == "__main__":
    base, uri, workers = sys.argv[1], sys.argv[2], int(sys.argv[3])
    process = CrawlerProcess(
        {
            "MONGODB_URI": uri,
            "CONCURRENT_REQUESTS": workers,
            "CONCURRENT_REQUESTS_PER_DOMAIN": workers,
            "DOWNLOAD_DELAY": 0,
            "ITEM_PIPELINES": {Batches: 1},
            "LOG_LEVEL": "ERROR",
            "ROBOTSTXT_OBEY": True,
            "TELNETCONSOLE_ENABLED": False,
        }
    )
    process.crawl(Books, base=base)
    process.start()
