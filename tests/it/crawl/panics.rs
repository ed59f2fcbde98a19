//! Panics in a worker: bugs, which must not take more along than they have to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use async_trait::async_trait;
use gleaner::model::record::Key;
use gleaner::model::report::Outcome;

use super::meddler::{Meddle, Meddler};
use super::rig::{Rig, ended, says};
use crate::store_contract::backends::Sqlite;

/// Panics when asked for the encoding, which is once a detail page, so often.
struct PanicsAtFirst(AtomicU32);

impl Meddle for PanicsAtFirst {
    fn encoding(&self) {
        let left = self.0.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
        assert!(left.is_err(), "a test's own panic");
    }
}

#[tokio::test]
async fn s10_a_panic_takes_its_own_task_along_and_nothing_is_lost() {
    let mut rig = Rig::<Sqlite>::new(60).await;
    rig.settings.pace.retries = 4;
    let meddle = Arc::new(PanicsAtFirst(AtomicU32::new(9)));
    let store = Meddler { store: rig.store().await, meddle };
    let report = ended(rig.crawl_into(Arc::new(store)).await, Outcome::Complete);
    rig.equals_the_site().await;
    says(&report, "a worker panicked, which is a bug: a test's own panic");
    assert_eq!(report.requests.retried, 9, "a panic costs an attempt");
    assert_eq!(report.requests.total, rig.demo.stats().requests);
}

/// Panics whenever this item is asked about.
struct PanicsOn(Key);

#[async_trait]
impl Meddle for PanicsOn {
    async fn known(&self, keys: &[Key]) {
        assert!(!keys.contains(&self.0), "a test's own panic");
    }
}

#[tokio::test]
async fn s10_a_task_that_panics_for_ever_is_given_up_and_named() {
    let mut rig = Rig::<Sqlite>::new(60).await;
    rig.settings.pace.retries = 2;
    rig.complete().await;
    let key = Key::new(&rig.demo.keys()[20]).expect("a key");
    let meddle = Arc::new(PanicsOn(key));
    let store = Meddler { store: rig.store().await, meddle };
    let report = ended(rig.crawl_into(Arc::new(store)).await, Outcome::Incomplete);
    says(&report, "a worker panicked, which is a bug: a test's own panic");
    says(&report, "1 page of the list was lost");
    assert_eq!((report.items.same, report.index.listed), (42, 42));
    let failure = rig.the_failure().await;
    assert_eq!((&*failure.kind, &*failure.page, &*failure.reason), ("index", "2", "panic"));
    assert_eq!(failure.attempts, 3);
    rig.equals_the_site().await;
}
