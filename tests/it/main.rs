//! All integration tests, in one binary: real HTTP on loopback, a real MongoDB, real files,
//! real processes.

mod cli;
mod demo;
mod docs;
mod mongod;
mod records;
mod store_contract;
mod store_jsonl;
mod store_sqlite;
mod tidy;
