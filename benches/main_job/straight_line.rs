//! What the job costs without a crawler around it: the floor that gleaner is measured against.
//!
//! The same libraries in a straight line: no retries, no limits, no digest, no ledger, any error
//! ends it. It runs in a process of its own: `main_job straight-line URL MONGODB-URI WORKERS`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::AcqRel};

use anyhow::{Context, Result, bail};
use bson::doc;
use bson::raw::{RawArrayBuf, RawDocumentBuf, cstr};
use bytes::Bytes;
use gleaner::model::document::Json;
use serde::Deserialize;

const PAGE: usize = 18;
const BATCH: usize = 500;

#[derive(Deserialize)]
struct List {
    count: usize,
    results: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    id: String,
}

enum Job {
    List(usize),
    Detail(String),
}

struct Crawl {
    base: String,
    http: reqwest::Client,
    jobs: async_channel::Sender<Job>,
    pending: AtomicUsize,
}

impl Crawl {
    fn push(&self, job: Job) -> Result<()> {
        self.pending.fetch_add(1, AcqRel);
        Ok(self.jobs.try_send(job)?)
    }

    async fn get(&self, path: &str) -> Result<Bytes> {
        let answer = self.http.get(format!("{}{path}", self.base)).send().await?;
        Ok(answer.error_for_status()?.bytes().await?)
    }

    async fn work(
        self: Arc<Crawl>,
        jobs: async_channel::Receiver<Job>,
        documents: async_channel::Sender<(String, RawDocumentBuf)>,
    ) -> Result<()> {
        while let Ok(job) = jobs.recv().await {
            match job {
                Job::List(page) => {
                    let path = format!("/api/book/?limit={PAGE}&offset={}", page * PAGE);
                    let list: List = serde_json::from_slice(&self.get(&path).await?)?;
                    if page == 0 {
                        (1..list.count.div_ceil(PAGE))
                            .try_for_each(|page| self.push(Job::List(page)))?;
                    }
                    list.results
                        .into_iter()
                        .try_for_each(|item| self.push(Job::Detail(item.id)))?;
                }
                Job::Detail(id) => {
                    let page = Json::parse(&self.get(&format!("/api/book/{id}/")).await?)?;
                    let document = page.object().context("an object")?.to_owned();
                    documents.send((id, document)).await?;
                }
            }
            if self.pending.fetch_sub(1, AcqRel) == 1 {
                self.jobs.close();
            }
        }
        Ok(())
    }
}

async fn write(
    database: mongodb::Database,
    documents: async_channel::Receiver<(String, RawDocumentBuf)>,
) -> Result<()> {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let next = documents.recv().await;
        let ended = next.is_err();
        batch.extend(next);
        if batch.len() == BATCH || ended && !batch.is_empty() {
            upsert(&database, &batch).await?;
            batch.clear();
        }
        if ended {
            return Ok(());
        }
    }
}

async fn upsert(database: &mongodb::Database, batch: &[(String, RawDocumentBuf)]) -> Result<()> {
    let mut updates = RawArrayBuf::new();
    for (id, document) in batch {
        let (mut query, mut update) = (RawDocumentBuf::new(), RawDocumentBuf::new());
        query.append(cstr!("id"), id.as_str());
        update.append(cstr!("q"), query);
        update.append(cstr!("u"), document);
        update.append(cstr!("upsert"), true);
        updates.push(&update);
    }
    let mut command = RawDocumentBuf::new();
    command.append(cstr!("update"), "books");
    command.append(cstr!("updates"), updates);
    command.append(cstr!("ordered"), false);
    let reply = database.run_raw_command(command).await?;
    match reply.get("writeErrors") {
        Some(errors) => bail!("{errors}"),
        None => Ok(()),
    }
}

/// Crawls the site at `base` into the database that `uri` names, with `workers` requests in flight.
pub async fn crawl(base: &str, uri: &str, workers: usize) -> Result<()> {
    let client = mongodb::Client::with_uri_str(uri).await?;
    let database = client.default_database().context("a database in the URI")?;
    let unique = mongodb::options::IndexOptions::builder().unique(true).build();
    let index = mongodb::IndexModel::builder().keys(doc! { "id": 1 }).options(unique).build();
    database.collection::<RawDocumentBuf>("books").create_index(index).await?;
    let (jobs, taken) = async_channel::unbounded();
    let (documents, written) = async_channel::bounded(2 * BATCH);
    let http = reqwest::Client::builder().no_proxy().build()?;
    let crawl = Arc::new(Crawl { base: base.to_owned(), http, jobs, pending: AtomicUsize::new(0) });
    crawl.push(Job::List(0))?;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..workers {
        tasks.spawn(crawl.clone().work(taken.clone(), documents.clone()));
    }
    drop(documents);
    for _ in 0..2 {
        tasks.spawn(write(database.clone(), written.clone()));
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}
