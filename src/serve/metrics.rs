//! `/metrics`: the state of all sites in Prometheus' text format.
//!
//! All values are read from the ledgers at each scrape, so they are written here line by line: a
//! library of counters would be a second place that holds them.

mod families;
mod process;
mod text;

use super::answer::Answer;
use super::watcher::{Look, Watcher};
use text::Text;

/// Media type of the format.
const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers with the metrics.
pub async fn all(watcher: &Watcher, look: &Look) -> Answer {
    let mut text = Text::default();
    text.family("gleaner_build_info", "gauge", "Version of gleaner; the value is 1.");
    text.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    families::of_the_store(&mut text, look);
    if let Some(overview) = &look.overview {
        let mut counted = Vec::new();
        for site in &overview.sites {
            // A store that goes away meanwhile is seen at the next look.
            let failures = watcher.failure_counts(look, &site.id).await.unwrap_or_default();
            counted.push((site, watcher.counts(&site.id), failures));
        }
        families::of_sites(&mut text, &counted);
    }
    process::add(&mut text);
    Answer::of(MEDIA_TYPE, text.finish())
}
