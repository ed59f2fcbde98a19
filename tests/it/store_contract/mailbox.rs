//! The mailbox of the runs that share a sweep, see [`gleaner::store::mailbox`].

use std::sync::Arc;

use gleaner::model::share::{HostWait, Share};
use gleaner::store::Store;
use gleaner::store::mailbox::{
    Chunk, FIRST_MESSAGE, Mailbox, Member, Orders, Said, TakenBack, Term,
};
use gleaner::sweep::SweepEntry;
use gleaner::sweep::lock::Claim;

use super::lock::{begun, holder};
use super::{Ledger, books};

/// An owner's store, a helper's, and the entry of their sweep.
async fn shared<L: Ledger>(backend: &L) -> (Arc<dyn Store>, Arc<dyn Store>, SweepEntry) {
    let (owner, helper) = (books(backend).await, books(backend).await);
    let entry = begun(1);
    let fence = owner.take_lock(&Claim::new(entry.clone())).await.expect("an answer");
    let entry = SweepEntry { fence: fence.expect("the lock"), ..entry };
    mail(&owner).begin(&Term::of(&entry)).await.expect("it begins");
    (owner, helper, entry)
}

fn mail(store: &Arc<dyn Store>) -> &dyn Mailbox {
    store.mailbox().expect("a mailbox")
}

fn member(id: &str, entry: &SweepEntry) -> Member {
    Member {
        id: id.into(),
        term: entry.fence,
        holder: holder(2).expect("a process"),
        beats: 0,
        said: Said::default(),
        orders: Orders::default(),
    }
}

fn chunk(id: u64, member: &str, content: &str) -> Chunk {
    Chunk { id, member: member.into(), content: content.into() }
}

fn contents(mut chunks: Vec<Chunk>) -> Vec<(u64, String)> {
    chunks.sort_by_key(|it| it.id);
    chunks.into_iter().map(|it| (it.id, String::from_utf8(it.content).expect("text"))).collect()
}

/// A chunk goes out to its member alone, comes back once, and is collected once.
pub async fn a_chunk_goes_out_and_comes_back_once<L: Ledger>() {
    let backend = L::start().await;
    let (owner, helper, entry) = shared(&backend).await;
    let (term, post, theirs) = (Term::of(&entry), mail(&owner), mail(&helper));
    let chunks = [chunk(1, "a", "one"), chunk(2, "a", "two"), chunk(3, "b", "three")];
    for _ in 0..2 {
        post.lend(&term, &chunks).await.expect("they are lent, however often");
    }
    let found = theirs.borrow(&term, "a", &[]).await.expect("an answer");
    assert_eq!(contents(found), [(1, "one".to_owned()), (2, "two".to_owned())]);
    let found = theirs.borrow(&term, "a", &[1]).await.expect("an answer");
    assert_eq!(contents(found), [(2, "two".to_owned())]);
    assert_eq!(post.collect(&term).await.expect("an answer"), []);
    let message = chunk(FIRST_MESSAGE | 7, "a", "said");
    for content in ["done", "again"] {
        let back = [chunk(1, "a", content), chunk(3, "a", "not its own"), chunk(9, "a", "x")];
        theirs.bring(&term, &back, Some(&message)).await.expect("it is brought");
    }
    let found = post.collect(&term).await.expect("an answer");
    assert_eq!(found[0], message, "what was said is heard first");
    assert_eq!(contents(found[1..].to_vec()), [(1, "done".to_owned())]);
    assert_eq!(theirs.borrow(&term, "a", &[2]).await.expect("an answer"), []);
    for _ in 0..2 {
        post.delete(&term, &[1, FIRST_MESSAGE | 7]).await.expect("they are deleted");
    }
    assert_eq!(post.collect(&term).await.expect("an answer"), []);
}

/// What is taken back is the owner's, unless it was brought before.
pub async fn a_chunk_is_taken_back_unless_it_was_brought<L: Ledger>() {
    let backend = L::start().await;
    let (owner, helper, entry) = shared(&backend).await;
    let (term, post, theirs) = (Term::of(&entry), mail(&owner), mail(&helper));
    let chunks = [chunk(1, "a", "one"), chunk(2, "a", "two")];
    post.lend(&term, &chunks).await.expect("they are lent");
    theirs.bring(&term, &[chunk(1, "a", "done")], None).await.expect("it is brought");
    let back = async |id| post.take_back(&term, id).await.expect("an answer");
    assert_eq!((back(1).await, back(2).await), (TakenBack::Brought, TakenBack::Ours));
    assert_eq!((back(2).await, back(3).await), (TakenBack::Ours, TakenBack::Ours));
    theirs.bring(&term, &[chunk(2, "a", "late")], None).await.expect("nothing happens");
    let found = post.collect(&term).await.expect("an answer");
    assert_eq!(contents(found), [(1, "done".to_owned())]);
    // A new term begins with an empty mailbox.
    let next = Term { number: term.number + 1, ..term.clone() };
    post.begin(&next).await.expect("it begins");
    assert_eq!(post.collect(&term).await.expect("an answer"), []);
}

/// A member has its place until it leaves or is fenced, and learns of that.
pub async fn a_member_has_its_place_until_it_is_fenced<L: Ledger>() {
    let backend = L::start().await;
    let (owner, helper, entry) = shared(&backend).await;
    let (post, theirs) = (mail(&owner), mail(&helper));
    let (one, two) = (member("a", &entry), member("b", &entry));
    for member in [&one, &one, &two] {
        theirs.join(&entry, member).await.expect("it joins");
    }
    let waits = vec![HostWait { host: "h:80".into(), ms: 5_000 }];
    let orders = Orders {
        number: 3,
        share: Share { most: 4, rate: Some(0.5) },
        waits: waits.clone(),
        at: Some(crate::records::at(5)),
    };
    post.order("a", &orders).await.expect("it is ordered");
    let said =
        Said { holds: vec![1, u64::from(u32::MAX) + 1], in_hand: 5, waits, ..Said::default() };
    let heard = theirs.beat("a", &said).await.expect("an answer");
    assert_eq!(heard, Some(orders.clone()));
    let mut found = post.members(&entry.id).await.expect("an answer");
    found.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(found, [Member { beats: 1, said: said.clone(), orders, ..one }, two]);
    assert_eq!(post.members("another").await.expect("an answer"), []);
    assert!(!post.fence("a", 0).await.expect("an answer"), "it has sent a beat since");
    assert!(theirs.has_place("a").await.expect("an answer"));
    for _ in 0..2 {
        assert!(post.fence("a", 1).await.expect("an answer"));
    }
    assert!(!theirs.has_place("a").await.expect("an answer"));
    assert_eq!(theirs.beat("a", &said).await.expect("an answer"), None);
    theirs.leave("b").await.expect("it leaves");
    assert_eq!(post.members(&entry.id).await.expect("an answer"), []);
}

/// A helper writes under its owner's lock, and not under that of a later one.
pub async fn a_helper_writes_while_its_owner_holds_the_lock<L: Ledger>() {
    let backend = L::start().await;
    let (owner, helper, entry) = shared(&backend).await;
    mail(&helper).join(&entry, &member("a", &entry)).await.expect("it joins");
    let found = mail(&helper).entry(&entry.id).await.expect("an answer").expect("an entry");
    assert_eq!((found.entry.id, found.entry.fence), (entry.id.clone(), entry.fence));
    assert_eq!(mail(&helper).entry("another").await.expect("an answer"), None);
    let provenance = crate::records::provenance(&entry.id);
    let keep = async || {
        let failure = crate::records::item_failure("1", "it failed", 5);
        helper.keep_failures(&provenance, &[failure]).await
    };
    keep().await.expect("its owner holds the lock");
    let over = entry.clone().end(
        gleaner::model::report::Outcome::Complete,
        &gleaner::observe::metrics::Metrics::new().snapshot(),
        Vec::new(),
    );
    assert!(owner.finish_sweep(&over).await.expect("an answer"));
    assert!(keep().await.is_err(), "the sweep has ended");
}
