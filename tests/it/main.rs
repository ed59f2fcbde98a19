//! All integration tests, in one binary: real HTTP on loopback, a real MongoDB, real files,
//! real processes.

mod cli;
mod copies;
mod crawl;
mod demo;
mod docs;
mod frontier;
mod html_sites;
mod in_step;
mod mongod;
mod outside;
mod pacing;
mod proxy;
mod records;
mod reliability;
mod run_sequences;
mod served;
mod sites;
mod store_contract;
mod store_jsonl;
mod store_mongodb;
mod store_sqlite;
mod tidy;
mod tls;
