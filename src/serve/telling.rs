//! Tells people what changed: alerts that begin, that go on for long, and that are over.
//!
//! What was told is kept in a file, since the stores are only read. A message is noted after it was
//! delivered, so it is told at least once. Its id depends only on what it says, so that a receiver
//! can drop a repeat.

mod hooks;
mod notifier;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::overview::{FailureSample, Overview, SiteStatus};
use crate::store::SiteId;
use crate::sweep::expect::{Alert, Rule, SiteState};
use crate::system::replacement::{Readers, Replacement, Unfinished};

pub use hooks::Hooks;
pub use notifier::Notifier;

/// When to tell.
#[derive(Debug, Clone, Copy)]
pub struct Tact {
    /// Number of sweeps in a row on which a rule must fire, unless one is proof enough.
    pub after: u32,
    /// Time after which an alert that goes on is told again.
    pub repeat: Duration,
}

/// Kind of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Something is wrong.
    Alert,
    /// It is still wrong.
    Again,
    /// It is over.
    Over,
}

/// A message to people or programs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Message {
    /// Id of the message. A message that is delivered twice has the same one.
    pub id: String,
    /// Kind of the message.
    pub kind: Kind,
    /// Name of the site, and its collection.
    #[serde(flatten)]
    pub site: SiteId,
    /// State of the site.
    pub state: SiteState,
    /// The alert. If it is over, the alert as it was when it began.
    #[serde(flatten)]
    pub alert: Alert,
    /// Likely cause, or `None` if it cannot be told.
    pub cause: Option<String>,
    /// Some failures.
    pub samples: Vec<FailureSample>,
    /// Number of messages about this alert before.
    #[serde(skip)]
    before: u32,
}

/// An alert that was told and is not over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Told {
    #[serde(flatten)]
    site: SiteId,
    #[serde(flatten)]
    alert: Alert,
    /// Time of the last message.
    told_at: Timestamp,
    /// Number of messages.
    times: u32,
}

/// Alerts that were told, as the state file holds them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    told: Vec<Told>,
}

/// Reason why a state file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The file cannot be read or written.
    #[error("{0}")]
    File(#[from] io::Error),
    /// The file is not a state file.
    #[error("is not a state file of gleaner: {0}")]
    Content(serde_json::Error),
}

impl Memory {
    /// Reads a state file. A missing or empty file is an empty memory.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, or is something else.
    pub fn read(path: &Path) -> Result<Memory, MemoryError> {
        match fs::read(path) {
            Ok(text) if text.is_empty() => Ok(Memory::default()),
            Ok(text) => serde_json::from_slice(&text).map_err(MemoryError::Content),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Memory::default()),
            Err(error) => Err(error.into()),
        }
    }

    /// Replaces a state file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), MemoryError> {
        let text = serde_json::to_vec_pretty(self).map_err(MemoryError::Content)?;
        match Replacement::of(path, Readers::Owner, Unfinished::Deleted)? {
            Some(mut file) => {
                file.write_all(&text)?;
                file.finish()?;
            }
            None => fs::write(path, text)?,
        }
        Ok(())
    }

    /// Returns the messages that are due.
    pub fn due(&self, overview: &Overview, tact: Tact) -> Vec<Message> {
        overview.sites.iter().flat_map(|site| self.due_of(site, tact, overview.at)).collect()
    }

    fn due_of(&self, site: &SiteStatus, tact: Tact, now: Timestamp) -> Vec<Message> {
        let mut messages = Vec::new();
        for alert in &site.alerts {
            match self.told.iter().find(|told| told.is_of(&site.id, alert)) {
                // The time of the first message stays, whatever the sweeps still reach.
                Some(told) if told.is_due_again(tact.repeat, now) => {
                    let alert = Alert { since: told.alert.since, ..alert.clone() };
                    messages.push(Message::new(Kind::Again, site, alert, told.times));
                }
                Some(_) => {}
                None if alert.rule.is_certain() || alert.in_a_row >= tact.after => {
                    messages.push(Message::new(Kind::Alert, site, alert.clone(), 0));
                }
                None => {}
            }
        }
        let of_site = self.told.iter().filter(|told| told.site == site.id);
        let fires = |told: &Told| site.alerts.iter().any(|alert| told.is_of(&site.id, alert));
        // A run that resumes a failed sweep has not succeeded yet. Only a clock ends a stale site.
        let is_open = |told: &Told| site.is_open && told.alert.rule != Rule::Stale;
        for told in of_site.filter(|told| !fires(told) && !is_open(told)) {
            messages.push(Message::new(Kind::Over, site, told.alert.clone(), told.times));
        }
        messages
    }

    /// Notes that a message was delivered.
    pub fn note(&mut self, message: &Message, now: Timestamp) {
        let Message { kind, site, alert, before, .. } = message;
        self.told.retain(|told| !told.is_of(site, alert));
        if *kind != Kind::Over {
            let (site, alert, times) = (site.clone(), alert.clone(), before + 1);
            self.told.push(Told { site, alert, told_at: now, times });
        }
    }
}

impl Told {
    fn is_of(&self, site: &SiteId, alert: &Alert) -> bool {
        self.site == *site && self.alert.rule == alert.rule && self.alert.field == alert.field
    }

    fn is_due_again(&self, repeat: Duration, now: Timestamp) -> bool {
        // If the clock was set back, the alert is told again only after that.
        Duration::try_from(now.duration_since(self.told_at)).is_ok_and(|passed| passed >= repeat)
    }
}

impl Message {
    fn new(kind: Kind, site: &SiteStatus, alert: Alert, before: u32) -> Message {
        let said = (&site.id, alert.rule, &alert.field, alert.since, kind, before);
        let said = serde_json::to_vec(&said).unwrap_or_default();
        let id = blake3::hash(&said).to_hex()[..32].to_owned();
        let (cause, samples) = match kind {
            Kind::Over => (None, Vec::new()),
            Kind::Alert | Kind::Again => (site.cause.clone(), site.samples.clone()),
        };
        Message {
            id,
            kind,
            site: site.id.clone(),
            state: site.state,
            alert,
            cause,
            samples,
            before,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    const TACT: Tact = Tact { after: 2, repeat: Duration::from_secs(86_400) };

    fn at(hours: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours)
    }

    fn alert(rule: Rule, in_a_row: u32) -> Alert {
        let text = "text".to_owned();
        let (now, baseline, sweep, since) = (Some(1.5), None, None, at(0));
        Alert { rule, field: None, since, in_a_row, now, baseline, sweep, text }
    }

    fn overview(hours: i64, is_open: bool, alerts: Vec<Alert>) -> Overview {
        let id = SiteId { site: "books".into(), collection: "books".into() };
        let mut site = SiteStatus::of(id, &[], at(hours));
        (site.alerts, site.is_open) = (alerts, is_open);
        Overview { at: at(hours), sites: vec![site] }
    }

    /// What is told at these times, in order, if everything is delivered.
    fn told(looks: Vec<Overview>) -> Vec<String> {
        let mut memory = Memory::default();
        let mut said = Vec::new();
        for overview in looks {
            for message in memory.due(&overview, TACT) {
                let hours = overview.at.as_second() / 3_600;
                let (rule, kind) = (message.alert.rule.name(), message.kind);
                said.push(format!("{hours} {kind:?} {rule}"));
                memory.note(&message, overview.at);
            }
        }
        said
    }

    #[test]
    fn an_alert_is_told_once_it_is_sure_again_after_a_day_and_when_it_is_over() {
        let fell = |in_a_row| vec![alert(Rule::ItemsFell, in_a_row)];
        let looks = vec![
            overview(1, false, fell(1)),
            // The same sweep, looked at again.
            overview(2, false, fell(1)),
            overview(3, false, fell(2)),
            overview(4, false, fell(3)),
            overview(27, false, fell(9)),
            overview(28, false, fell(9)),
            overview(29, false, vec![]),
            overview(30, false, vec![]),
            overview(31, false, fell(1)),
            overview(32, false, vec![]),
        ];
        assert_eq!(
            told(looks),
            ["3 Alert items_fell", "27 Again items_fell", "29 Over items_fell"]
        );
        for rule in [Rule::NothingListed, Rule::Stale, Rule::Canary] {
            let said = told(vec![overview(1, false, vec![alert(rule, 1)])]);
            assert_eq!(said, [format!("1 Alert {}", rule.name())]);
        }
    }

    #[test]
    fn a_run_that_resumes_a_failed_sweep_ends_no_alert() {
        let looks = vec![
            overview(1, false, vec![alert(Rule::Failing, 2)]),
            overview(2, true, vec![]),
            overview(3, false, vec![alert(Rule::Failing, 3)]),
            overview(4, false, vec![]),
        ];
        assert_eq!(told(looks), ["1 Alert failing", "4 Over failing"]);
    }

    #[test]
    fn what_was_not_delivered_is_told_again_with_its_id() {
        let look = |hours, in_a_row| overview(hours, false, vec![alert(Rule::Slow, in_a_row)]);
        let memory = Memory::default();
        let first = memory.due(&look(1, 2), TACT).remove(0);
        let second = memory.due(&look(2, 3), TACT).remove(0);
        assert_eq!(first.id, second.id);
        let mut memory = memory;
        memory.note(&second, at(2));
        let again = memory.due(&look(26, 4), TACT).remove(0);
        let over = memory.due(&overview(27, false, vec![]), TACT).remove(0);
        let ids: std::collections::BTreeSet<_> = [&first.id, &again.id, &over.id].into();
        assert_eq!(ids.len(), 3);
        assert_eq!(again.alert.since, at(0));
    }

    #[test]
    fn the_state_file_keeps_what_was_told_and_other_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let mut memory = Memory::read(&path).unwrap();
        assert_eq!(memory, Memory::default());
        let look = overview(1, false, vec![alert(Rule::Stale, 1)]);
        let message = memory.due(&look, TACT).remove(0);
        memory.note(&message, at(1));
        memory.write(&path).unwrap();
        let read = Memory::read(&path).unwrap();
        assert_eq!(read, memory);
        assert_eq!(read.due(&look, TACT), []);
        fs::write(&path, "SQLite format 3").unwrap();
        assert!(matches!(Memory::read(&path), Err(MemoryError::Content(_))));
    }

    #[test]
    fn a_message_says_all_that_people_need() {
        let look = overview(1, false, vec![alert(Rule::Stale, 1)]);
        let message = serde_json::to_value(&Memory::default().due(&look, TACT)[0]).unwrap();
        let mut names: Vec<&str> = message.as_object().unwrap().keys().map(|it| &**it).collect();
        names.sort_unstable();
        assert_eq!(
            names.join(" "),
            "baseline cause collection id in_a_row kind now rule samples since site state sweep text"
        );
    }
}
