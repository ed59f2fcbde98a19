// The same job with Crawlee's HttpCrawler and the official driver, batches of 500.
//
//     node crawlee_books.mjs BASE_URL MONGODB_URI WORKERS

import { Configuration, HttpCrawler, log } from '@crawlee/http';
import { MongoClient } from 'mongodb';

const PAGE = 18;
const BATCH = 500;
const [base, uri, workers] = process.argv.slice(2);

log.setLevel(log.LEVELS.ERROR);
const client = await MongoClient.connect(uri);
const books = client.db().collection('books');
await books.createIndex({ id: 1 }, { unique: true });

let batch = [];
const flush = async () => {
    const full = batch;
    batch = [];
    if (full.length) await books.bulkWrite(full, { ordered: false });
};
const list = (offset) => ({ url: `${base}/api/book/?limit=${PAGE}&offset=${offset}`, label: 'list' });

const crawler = new HttpCrawler(
    {
        minConcurrency: Number(workers),
        maxConcurrency: Number(workers),
        additionalMimeTypes: ['application/json'],
        useSessionPool: false,
        async requestHandler({ request, body, addRequests }) {
            const page = JSON.parse(body.toString());
            if (request.label !== 'list') {
                batch.push({ updateOne: { filter: { id: page.id }, update: { $set: page }, upsert: true } });
                if (batch.length >= BATCH) await flush();
                return;
            }
            const found = page.results.map((row) => ({ url: `${base}/api/book/${row.id}/` }));
            if (request.userData.first) {
                for (let at = PAGE; at < page.count; at += PAGE) found.push(list(at));
            }
            await addRequests(found);
        },
    },
    new Configuration({ persistStorage: false }),
);
await crawler.run([{ ...list(0), userData: { first: true } }]);
await flush();
await client.close();
