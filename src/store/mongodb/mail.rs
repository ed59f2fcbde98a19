//! `gleaner_members` and `gleaner_lent`: the mailbox of a sweep that several machines share.
//!
//! Each step is one statement on one document. What is lost with a server costs requests and nothing
//! else, so most of it is written with the server's acknowledgement alone; what a member relies on
//! afterwards (its place, the chunks that it brings) as the URI says, else by a majority.

use std::sync::Arc;

use async_trait::async_trait;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, Document, doc};
use mongodb::options::FindOptions;

use super::{MongodbStore, answer, ledger};
use crate::store::StoreError;
use crate::store::mailbox::{Chunk, FIRST_MESSAGE, Mailbox, Member, Orders, Said, TakenBack, Term};
use crate::sweep::{LedgerEntry, SweepEntry};

const MEMBERS: &str = "gleaner_members";
const LENT: &str = "gleaner_lent";
/// Maximum number of members of a sweep.
const MOST_MEMBERS: usize = 1_000;
/// Maximum number of chunks in one reply: at 256 KiB each they fit into it.
const MOST_CHUNKS: usize = 48;

#[async_trait]
impl Mailbox for MongodbStore {
    async fn begin(&self, term: &Term) -> Result<(), StoreError> {
        let by_member = doc! { "key": { "for": 1, "state": 1 }, "name": "gleaner_by_member" };
        let by_sweep = doc! { "key": { "sweep": 1, "state": 1 }, "name": "gleaner_by_sweep" };
        let made = doc! { "createIndexes": LENT, "indexes": [by_member, by_sweep] };
        answer::done(&self.connection.change(made).await?)?;
        let Term { sweep, number } = term;
        let (mut lent, mut members) = (of_site(self), of_site(self));
        let others = [doc! { "sweep": { "$ne": &**sweep } }, doc! { "term": { "$ne": *number } }];
        lent.insert("$or", others.to_vec());
        members.insert("sweep", doc! { "$ne": &**sweep });
        remove(self, LENT, lent).await?;
        remove(self, MEMBERS, members).await.map(drop)
    }

    async fn entry(&self, sweep: &str) -> Result<Option<LedgerEntry>, StoreError> {
        ledger::one(&self.connection, sweep).await
    }

    async fn join(&self, entry: &SweepEntry, member: &Member) -> Result<(), StoreError> {
        let mut document = serialized(member)?;
        document.remove("id");
        document.insert("_id", &*member.id);
        document.insert("sweep", &*entry.id);
        document.extend(of_site(self));
        let update = doc! { "q": { "_id": &*member.id }, "u": document, "upsert": true };
        let command = doc! { "update": MEMBERS, "updates": [update] };
        answer::done(&self.connection.change(command).await?)?;
        *self.held() = Some(Arc::new(entry.clone()));
        Ok(())
    }

    async fn members(&self, sweep: &str) -> Result<Vec<Member>, StoreError> {
        let of_sweep = doc! { "sweep": sweep };
        let options = FindOptions::default();
        let found = self.connection.find(MEMBERS, of_sweep, options, MOST_MEMBERS).await?;
        let read = |found: &bson::raw::RawDocumentBuf| {
            let mut document = Document::try_from(found).ok()?;
            let id = document.remove("_id")?;
            document.insert("id", id);
            bson::deserialize_from_document(document).ok()
        };
        // One that another version wrote differently gets no tasks.
        Ok(found.iter().filter_map(read).collect())
    }

    async fn beat(&self, member: &str, said: &Said) -> Result<Option<Orders>, StoreError> {
        let update = doc! { "$set": { "said": serialized(said)? }, "$inc": { "beats": 1_i64 } };
        let command = doc! {
            "findAndModify": MEMBERS, "query": { "_id": member }, "update": update,
            "fields": { "orders": 1 },
        };
        let mut reply = self.connection.change_lightly(command).await?;
        let Some(Bson::Document(mut found)) = reply.remove("value") else { return Ok(None) };
        let orders = found.remove("orders").and_then(|it| bson::deserialize_from_bson(it).ok());
        Ok(Some(orders.unwrap_or_default()))
    }

    async fn has_place(&self, member: &str) -> Result<bool, StoreError> {
        let found = self.connection.find_one(MEMBERS, doc! { "_id": member }).await?;
        Ok(found.is_some())
    }

    async fn order(&self, member: &str, orders: &Orders) -> Result<(), StoreError> {
        let set = doc! { "$set": { "orders": serialized(orders)? } };
        let update = doc! { "q": { "_id": member }, "u": set };
        let command = doc! { "update": MEMBERS, "updates": [update] };
        answer::done(&self.connection.change_lightly(command).await?).map(drop)
    }

    async fn fence(&self, member: &str, beats: i64) -> Result<bool, StoreError> {
        remove(self, MEMBERS, doc! { "_id": member, "beats": beats }).await?;
        // A call before this one may have taken it away, and its reply was lost.
        self.has_place(member).await.map(|has_place| !has_place)
    }

    async fn leave(&self, member: &str) -> Result<(), StoreError> {
        remove(self, MEMBERS, doc! { "_id": member }).await.map(drop)
    }

    async fn lend(&self, term: &Term, chunks: &[Chunk]) -> Result<(), StoreError> {
        insert(self, term, chunks, "lent").await
    }

    async fn borrow(
        &self,
        term: &Term,
        member: &str,
        holds: &[u64],
    ) -> Result<Vec<Chunk>, StoreError> {
        let held: Vec<String> = holds.iter().map(|id| name(term, *id)).collect();
        let lent = doc! { "for": member, "state": "lent", "_id": { "$nin": held } };
        chunks(self, lent).await
    }

    async fn bring(
        &self,
        term: &Term,
        chunks: &[Chunk],
        message: Option<&Chunk>,
    ) -> Result<(), StoreError> {
        if let Some(message) = message {
            insert(self, term, std::slice::from_ref(message), "back").await?;
        }
        let brought = chunks.iter().map(|chunk| {
            let lent = doc! { "_id": name(term, chunk.id), "for": &*chunk.member, "state": "lent" };
            let set = doc! { "state": "back", "content": binary(&chunk.content) };
            doc! { "q": lent, "u": { "$set": set } }
        });
        let updates: Vec<Document> = brought.collect();
        if updates.is_empty() {
            return Ok(());
        }
        let command = doc! { "update": LENT, "updates": updates, "ordered": false };
        answer::done(&self.connection.change(command).await?).map(drop)
    }

    async fn collect(&self, term: &Term) -> Result<Vec<Chunk>, StoreError> {
        let back = doc! { "sweep": &*term.sweep, "term": term.number, "state": "back" };
        let found = chunks(self, back.clone()).await?;
        if found.is_empty() {
            return Ok(found);
        }
        // Only now is everything there that was said before what was found.
        let mut messages = back;
        messages.insert("_id", doc! { "$gte": name(term, FIRST_MESSAGE) });
        let mut all = chunks(self, messages).await?;
        all.extend(found.into_iter().filter(|chunk| chunk.id < FIRST_MESSAGE));
        Ok(all)
    }

    async fn delete(&self, term: &Term, chunks: &[u64]) -> Result<(), StoreError> {
        let names: Vec<String> = chunks.iter().map(|id| name(term, *id)).collect();
        let back = doc! { "_id": { "$in": names }, "state": "back" };
        let delete = doc! { "delete": LENT, "deletes": [{ "q": back, "limit": 0 }] };
        answer::done(&self.connection.change_lightly(delete).await?).map(drop)
    }

    async fn take_back(&self, term: &Term, chunk: u64) -> Result<TakenBack, StoreError> {
        let name = name(term, chunk);
        if remove(self, LENT, doc! { "_id": &*name, "state": "lent" }).await? > 0 {
            return Ok(TakenBack::Ours);
        }
        let found = self.connection.find_one(LENT, doc! { "_id": name }).await?;
        Ok(if found.is_some() { TakenBack::Brought } else { TakenBack::Ours })
    }
}

async fn insert(
    store: &MongodbStore,
    term: &Term,
    chunks: &[Chunk],
    state: &str,
) -> Result<(), StoreError> {
    let Term { sweep, number } = term;
    let written = chunks.iter().map(|chunk| {
        let mut written = doc! {
            "_id": name(term, chunk.id), "sweep": &**sweep, "term": *number,
            "for": &*chunk.member, "state": state, "content": binary(&chunk.content),
        };
        written.extend(of_site(store));
        written
    });
    let documents: Vec<Document> = written.collect();
    if documents.is_empty() {
        return Ok(());
    }
    let command = doc! { "insert": LENT, "documents": documents, "ordered": false };
    let reply = store.connection.change_lightly(command).await?;
    // Those that are there already were written by a call whose reply was lost.
    if answer::is_duplicate(&reply) { Ok(()) } else { answer::done(&reply).map(drop) }
}

fn of_site(store: &MongodbStore) -> Document {
    doc! { "site": &*store.place.site, "collection": &*store.place.collection }
}

async fn remove(
    store: &MongodbStore,
    collection: &str,
    filter: Document,
) -> Result<u64, StoreError> {
    let delete = doc! { "delete": collection, "deletes": [{ "q": filter, "limit": 0 }] };
    answer::done(&store.connection.change(delete).await?)
}

async fn chunks(store: &MongodbStore, filter: Document) -> Result<Vec<Chunk>, StoreError> {
    let options = FindOptions::builder().sort(doc! { "_id": -1 }).build();
    let found = store.connection.find(LENT, filter, options, MOST_CHUNKS).await?;
    let read = |found: &bson::raw::RawDocumentBuf| {
        let id = found.get_str("_id").ok()?.rsplit('/').next()?.parse().ok()?;
        let content = found.get_binary("content").ok()?.bytes.to_vec();
        Some(Chunk { id, member: found.get_str("for").ok()?.into(), content })
    };
    Ok(found.iter().filter_map(read).collect())
}

fn name(Term { sweep, number }: &Term, id: u64) -> String {
    format!("{sweep}/{number}/{id:020}")
}

fn binary(bytes: &[u8]) -> Bson {
    Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() })
}

fn serialized<T: serde::Serialize>(value: &T) -> Result<Document, StoreError> {
    bson::serialize_to_document(value).map_err(|error| StoreError::Failed(error.to_string()))
}
