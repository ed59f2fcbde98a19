"""The same job with dlt's declarative rest_api source and a destination that writes batches of 500.

    dlt_books.py BASE_URL MONGODB_URI WORKERS
"""

import os
import sys
import tempfile

PAGE = 18
BATCH = 500


def main(base, uri, workers):
    # dlt reads its settings when it is imported.
    os.environ["EXTRACT__WORKERS"] = str(workers)
    os.environ["EXTRACT__MAX_PARALLEL_ITEMS"] = str(max(20, workers))
    os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    import dlt
    import pymongo
    from dlt.sources.rest_api import rest_api_source

    books = pymongo.MongoClient(uri).get_default_database()["books"]
    books.create_index("id", unique=True)

    @dlt.destination(
        batch_size=BATCH,
        loader_file_format="typed-jsonl",
        max_table_nesting=0,
        skip_dlt_columns_and_tables=True,
    )
    def mongodb(items, table):
        if table["name"] == "book":
            updates = [pymongo.UpdateOne({"id": it["id"]}, {"$set": it}, upsert=True) for it in items]
            books.bulk_write(updates, ordered=False)

    listing = {
        "name": "listing",
        "selected": False,
        "endpoint": {
            "path": "api/book/",
            "data_selector": "results",
            "paginator": {"type": "offset", "limit": PAGE, "total_path": "count"},
        },
    }
    book = {
        "name": "book",
        "parallelized": True,
        "endpoint": {
            "path": "api/book/{resources.listing.id}/",
            "paginator": "single_page",
            "data_selector": "$",
        },
    }
    source = rest_api_source(
        {
            "client": {"base_url": base},
            "resource_defaults": {"max_table_nesting": 0},
            "resources": [listing, book],
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "books", pipelines_dir=folder, destination=mongodb, dataset_name="books"
        )
        pipeline.run(source)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
