//! The parts that cost, one by one (`make parts`). Times on a busy machine are noisy; `make count`
//! counts the instructions of the whole instead.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput};
use gleaner::demo::{Demo, Options};
use gleaner::engine::refresh::{self, Origin};
use gleaner::extract::{self, Making};
use gleaner::fetch::{HeaderMap, Page};
use gleaner::frontier::{Frontier, Limits};
use gleaner::model::document::{Document, Encoding, Json};
use gleaner::model::record::{Key, Provenance, Record};
use gleaner::model::task::{Content, DetailPage, Done, FollowUps};
use gleaner::site::Site;
use gleaner::store::{self, Place, StoreUrl};
use gleaner::sweep::SweepEntry;
use gleaner::sweep::lock::Claim;
use jiff::Timestamp;

const BATCH: u64 = 500;
const MANY: u64 = 10_000_000;

fn key(number: u64) -> Key {
    Key::new(&number.to_string()).expect("a number is a key")
}

fn listed(numbers: impl Iterator<Item = u64>) -> FollowUps {
    FollowUps { index: Vec::new(), details: numbers.map(|it| DetailPage::of(key(it))).collect() }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn frontier() -> Arc<Frontier> {
    Frontier::new(Limits { low_water: 2_000, pages: 100, items: u64::MAX }, Arc::default())
}

/// Lease, submit one more, finish: `cycles` of them by each of `threads`.
fn cycle(threads: u64, cycles: u64) -> Duration {
    let frontier = frontier();
    frontier.submit(listed(0..threads)).expect("it takes them");
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for thread in 1..=threads {
            let frontier = &frontier;
            scope.spawn(move || {
                runtime().block_on(async {
                    for number in 0..cycles {
                        let lease = frontier.lease().await.expect("a task");
                        let more = listed(std::iter::once(thread << 40 | number));
                        frontier.submit(more).expect("it takes it");
                        frontier.finish(lease, Done::Read);
                    }
                });
            });
        }
    });
    begun.elapsed()
}

fn frontiers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frontier cycle");
    group.throughput(Throughput::Elements(1)).sample_size(20);
    for threads in [1, 8, 64] {
        group.bench_function(format!("{threads} threads"), |bencher| {
            bencher.iter_custom(|cycles| cycle(threads, cycles.div_ceil(threads)));
        });
    }
    group.finish();
}

/// A key that is new to a seen set of ten million.
fn seen(criterion: &mut Criterion) {
    let (runtime, frontier) = (runtime(), frontier());
    let take = |number: u64| {
        runtime.block_on(async {
            frontier.submit(listed(std::iter::once(number))).expect("it takes it");
            let lease = frontier.lease().await.expect("a task");
            // One task stays, so that the end does not come.
            if number > 0 {
                frontier.finish(lease, Done::Read);
            } else {
                std::mem::forget(lease);
            }
        });
    };
    (0..MANY).for_each(take);
    let mut next = MANY..;
    criterion.bench_function("seen set of ten million, a new item", |bencher| {
        bencher.iter(|| next.by_ref().take(1).for_each(take));
    });
    criterion.bench_function("seen set of ten million, one that was seen", |bencher| {
        bencher.iter(|| black_box(frontier.has_seen(&key(7_777_777))));
    });
}

fn page(url: &str, body: Vec<u8>) -> Page {
    Page { url: url.parse().expect("a URL"), headers: HeaderMap::new(), body: body.into() }
}

/// A page of the demo site's list and one of its items, as they are sent.
fn pages() -> (Site, Page, Page) {
    let demo = Demo::start(Options { items: 100, ..Options::default() }).expect("the demo site");
    let keys = demo.keys();
    let rows: Vec<_> = keys[..18].iter().filter_map(|key| demo.document(key)).collect();
    let list = serde_json::json!({ "count": 100, "results": rows.iter().map(|row| {
        let field = |name: &str| row.get(name).cloned();
        serde_json::json!({ "id": field("id"), "name": field("name"), "authors": field("authors"),
            "cover": field("cover"), "score": field("score") })
    }).collect::<Vec<_>>() });
    let mut bodies: Vec<Vec<u8>> = rows.iter().map(|row| row.to_string().into_bytes()).collect();
    bodies.sort_by_key(Vec::len);
    let median = bodies.swap_remove(bodies.len() / 2);
    let site = Site::load("books").expect("it is built in");
    (site, page("http://h/", list.to_string().into_bytes()), page("http://h/1/", median))
}

fn reading(criterion: &mut Criterion) {
    let (site, index, detail) = pages();
    criterion.bench_function("page of a list to 18 items", |bencher| {
        bencher.iter(|| {
            extract::index(&site, &gleaner::model::task::List::default(), black_box(&index))
                .expect("a list")
        });
    });
    let rules = site.detail.as_ref().expect("pages of items");
    let making = Making { listed: &Content::Nothing, ignore: &[], encoding: Encoding::Bson };
    let mut group = criterion.benchmark_group("page of an item");
    group.throughput(Throughput::Bytes(detail.body.len() as u64));
    group.bench_function("to a document", |bencher| {
        bencher.iter(|| extract::detail(rules, black_box(&detail), making).expect("a document"));
    });
    group.bench_function("JSON to BSON", |bencher| {
        bencher.iter(|| Json::parse(black_box(&detail.body)).expect("JSON"));
    });
    let json = Json::parse(&detail.body).expect("JSON");
    group.bench_function("BSON to a document with its digest", |bencher| {
        bencher.iter_batched(
            || json.clone(),
            |json| Document::new(json, &detail.body, Encoding::Bson),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

/// A page of a shop as Next.js sends it: what is shown, and the same as JSON in a script.
fn nextjs_page() -> Page {
    let product = |number: u64| {
        let texts: Vec<String> = (0..8).map(|it| format!("{number}, text {it} of it")).collect();
        serde_json::json!({ "id": number, "name": format!("Product {number}"), "price": 9.5,
            "tags": ["a", "b"], "texts": texts })
    };
    let products: Vec<_> = (0..100).map(product).collect();
    let card = |product: &serde_json::Value| {
        format!("<li class=card><h2>{}</h2><p>{}</p></li>", product["name"], product["texts"])
    };
    let cards: String = products.iter().map(card).collect();
    let data = serde_json::json!({ "props": { "pageProps": { "products": products } } });
    let body = format!(
        "<html><body><ul>{cards}</ul><script id=__NEXT_DATA__ type=application/json>{data}</script>"
    );
    page("http://h/", body.into_bytes())
}

/// JSON in a script of an HTML page, beside the two parsers that it takes: scraper and serde_json.
fn steps(criterion: &mut Criterion) {
    let page = nextjs_page();
    let text = r##"
name = "shop"
base_url = "http://h"
collection = "shop"
format = "html"
[index]
url = "/"
items = ["script#__NEXT_DATA__::text", "$.props.pageProps.products[*]"]
key = "$.id"
"##;
    let site = Site::parse(text, "shop.toml").expect("a site");
    let script = scraper::Selector::parse("script#__NEXT_DATA__").expect("a selector");
    let mut group = criterion.benchmark_group("script in HTML to JSON");
    group.throughput(Throughput::Bytes(page.body.len() as u64));
    group.bench_function("to 100 items", |bencher| {
        bencher.iter(|| {
            extract::index(&site, &gleaner::model::task::List::default(), black_box(&page))
                .expect("a list")
        });
    });
    group.bench_function("the two parsers", |bencher| {
        bencher.iter(|| {
            let text = String::from_utf8_lossy(black_box(&page.body));
            let html = scraper::Html::parse_document(&text);
            let found = html.select(&script).next().expect("a script");
            let text: String = found.text().collect();
            serde_json::from_str::<serde_json::Value>(&text).expect("JSON")
        });
    });
    group.finish();
}

fn origin() -> Origin {
    Origin { url: "http://h/1/".into(), ..Origin::default() }
}

/// Records of the same document, each with a key of its own.
fn records(body: &Bytes, encoding: Encoding) -> Vec<Record> {
    let record = |number: u64| {
        let json = Json::parse(body).expect("JSON");
        let document = Document::new(json, body, encoding).expect("a document");
        refresh::record(DetailPage::of(key(number)), origin(), document, Timestamp::now())
    };
    (0..BATCH).map(record).collect()
}

fn batches(criterion: &mut Criterion) {
    let (_, _, detail) = pages();
    let body: Bytes = detail.body;
    let provenance = Provenance { sweep: "s".into(), rules: "r".into() };
    let mut group = criterion.benchmark_group("batch of 500");
    group.throughput(Throughput::Elements(BATCH)).sample_size(20);
    let bson = records(&body, Encoding::Bson);
    group.bench_function("to a command to MongoDB", |bencher| {
        bencher.iter(|| {
            store::insert_command("books", &provenance, black_box(&bson)).expect("it fits")
        });
    });
    let runtime = runtime();
    let place =
        Place { site: "books".into(), collection: "books".into(), key_field: None, adopt: false };
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("parts.db").display());
    let url: StoreUrl = url.parse().expect("a store's URL");
    let store = runtime.block_on(store::open(&url, &place)).expect("a store");
    let claim =
        Claim::new(SweepEntry::begin("books", "books", "", gleaner::model::report::Kind::Full));
    runtime.block_on(store.take_lock(&claim)).expect("a store").expect("the lock is free");
    group.bench_function("into SQLite, the same keys again", |bencher| {
        bencher.iter_batched(
            || records(&body, Encoding::Text),
            |records| runtime.block_on(store.write(&provenance, &records)).expect("it writes"),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    reading(&mut criterion);
    steps(&mut criterion);
    frontiers(&mut criterion);
    batches(&mut criterion);
    seen(&mut criterion);
    criterion.final_summary();
}
