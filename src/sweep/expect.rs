//! Judges a site by its ledger: what is expected of its sweeps, and the alerts that follow.
//!
//! The judgement is a pure function of the entries, the expectations and the time. It needs no site
//! file, since each run writes its expectations into its entry. It decides nothing: no crawl reads
//! it.

mod past;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::LedgerEntry;
use crate::model::report::Kind;
use past::{Past, Sweep};
use rules::Firing;

/// Default of [`Expectations::max_drop`], in percent.
const MAX_DROP: u8 = 30;
/// Number of missed sweeps after which a site is stale.
const MISSED: u64 = 3;

/// Expectations of a site's sweeps, from `[expect]` in its site file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expectations {
    /// Time from the start of a sweep to the next one, in seconds, or `None` if it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_s: Option<u64>,
    /// Age of the last complete sweep from which on the site is stale, in seconds. Default: three
    /// times `every_s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresh_s: Option<u64>,
    /// Minimum number of items that a sweep lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_items: Option<u64>,
    /// Allowed drop of the number of items below the baseline, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_drop: Option<u8>,
    /// Minimum share of items that have a field, in percent, by the field's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<Box<str>, u8>,
}

impl Expectations {
    /// Returns true if nothing is expected beyond the defaults.
    pub fn is_default(&self) -> bool {
        *self == Expectations::default()
    }

    /// Returns the age of the last complete sweep from which on the site is stale, or `None` if that
    /// is not known.
    fn fresh(&self) -> Option<Duration> {
        let missed = self.every_s.map(|every| every.saturating_mul(MISSED));
        self.fresh_s.or(missed).map(Duration::from_secs)
    }

    fn max_drop(&self) -> u8 {
        self.max_drop.unwrap_or(MAX_DROP)
    }
}

/// The rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The last run failed.
    Failing,
    /// The site refuses requests.
    Blocked,
    /// The site was redesigned, and nothing was replaced.
    Canary,
    /// No sweep was complete for too long.
    Stale,
    /// Nothing is listed any more.
    NothingListed,
    /// Fewer items are listed than usual, or than expected.
    ItemsFell,
    /// Fewer items have a field than usual, or than expected.
    FieldFell,
    /// A field that usually varies has one value on nearly all items.
    FieldConstant,
    /// More items than usual changed, and over half of all.
    AllChanged,
    /// The sweep took longer than usual.
    Slow,
    /// The last sweep was incomplete.
    Incomplete,
    /// Items left the list, and none was marked gone.
    GoneRefused,
}

impl Rule {
    /// Returns the rule's name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Rule::Failing => "failing",
            Rule::Blocked => "blocked",
            Rule::Canary => "canary",
            Rule::Stale => "stale",
            Rule::NothingListed => "nothing_listed",
            Rule::ItemsFell => "items_fell",
            Rule::FieldFell => "field_fell",
            Rule::FieldConstant => "field_constant",
            Rule::AllChanged => "all_changed",
            Rule::Slow => "slow",
            Rule::Incomplete => "incomplete",
            Rule::GoneRefused => "gone_refused",
        }
    }

    /// Returns true if one sweep is proof enough to tell people.
    pub fn is_certain(self) -> bool {
        matches!(self, Rule::NothingListed | Rule::Stale | Rule::Canary)
    }

    fn state(self) -> SiteState {
        match self {
            Rule::Failing | Rule::Blocked | Rule::Canary => SiteState::Failing,
            Rule::Stale => SiteState::Stale,
            Rule::Incomplete | Rule::GoneRefused => SiteState::Incomplete,
            _ => SiteState::Suspect,
        }
    }
}

/// The state of a site, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SiteState {
    /// The last run failed.
    Failing,
    /// No sweep was complete for too long.
    Stale,
    /// A sweep reached its end, but its counts are unusual.
    Suspect,
    /// The last sweep was incomplete, or none was ever complete.
    Incomplete,
    /// A sweep runs, and nothing is wrong.
    Running,
    /// Nothing is wrong.
    Fine,
}

impl SiteState {
    /// Returns the state's name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            SiteState::Failing => "failing",
            SiteState::Stale => "stale",
            SiteState::Suspect => "suspect",
            SiteState::Incomplete => "incomplete",
            SiteState::Running => "running",
            SiteState::Fine => "fine",
        }
    }

    /// Returns true if nothing is wrong.
    pub fn is_fine(self) -> bool {
        matches!(self, SiteState::Fine | SiteState::Running)
    }
}

/// Something that is wrong with a site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Rule that fires.
    pub rule: Rule,
    /// Field that the rule is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<Box<str>>,
    /// End of the first sweep on which it fires, in a row up to the last.
    pub since: Timestamp,
    /// Number of sweeps in a row on which it fires. A run that resumes a failed sweep counts.
    pub in_a_row: u32,
    /// Value of the last sweep: items, percent or seconds.
    pub now: Option<f64>,
    /// Value that is usual or expected.
    pub baseline: Option<f64>,
    /// Sweep that the alert is about, or `None` if there was none.
    pub sweep: Option<Box<str>>,
    /// Description in one sentence.
    pub text: String,
}

/// The judgement on a site.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// State of the site.
    pub state: SiteState,
    /// Time since which the site is in that state, as far as the entries reach.
    pub since: Option<Timestamp>,
    /// Alerts, the worst first.
    pub alerts: Vec<Alert>,
    /// True if a run resumes a sweep, so that its last outcome is not known: an alert that does not
    /// fire may not be over.
    pub is_open: bool,
}

/// Judges a site by its ledger's entries, the newest first: the latest 20 complete full sweeps, and
/// those beside them. `is_alive` says whether the process of a running sweep still runs.
pub fn judge(
    entries: &[LedgerEntry],
    expected: &Expectations,
    is_alive: impl Fn(&LedgerEntry) -> bool,
    now: Timestamp,
) -> Judgement {
    let (live, past) = past::split(entries, is_alive);
    let mut alerts = alerts(&past, rules::by_outcome);
    // Between full sweeps, partial ones say nothing about counts, and end no alert about them.
    let full: Vec<Sweep<'_>> =
        past.iter().filter(|it| it.entry.kind == Kind::Full).copied().collect();
    alerts.extend(self::alerts(&full, |past| rules::by_counts(past, expected)));
    alerts.extend(stale(entries, &past, expected, now));
    drop_vague(&mut alerts);
    alerts.sort_by(|a, b| {
        (a.rule.state(), a.rule, &a.field).cmp(&(b.rule.state(), b.rule, &b.field))
    });
    let running = live.map(|it| &it.entry);
    let never_complete = past.iter().all(|sweep| !sweep.is_complete()) && running.is_none();
    let state = match alerts.first() {
        Some(worst) => worst.rule.state(),
        None if running.is_some() => SiteState::Running,
        None if never_complete => SiteState::Incomplete,
        None => SiteState::Fine,
    };
    let since = match state {
        SiteState::Running => running.map(|entry| entry.resumed_at.unwrap_or(entry.started_at)),
        SiteState::Fine => past.iter().take_while(|it| it.is_complete()).last().map(|it| it.at),
        state => {
            let of_state = alerts.iter().filter(|alert| alert.rule.state() == state);
            let since = of_state.map(|alert| alert.since).min();
            since.or_else(|| entries.last().map(|it| it.entry.started_at))
        }
    };
    let is_open = running.is_some_and(|entry| entry.is_resumed());
    Judgement { state, since, alerts, is_open }
}

/// Returns the alerts of the rules `fire` that the last sweep gives.
fn alerts<'a>(past: &[Sweep<'a>], fire: impl Fn(&Past<'a>) -> Vec<Firing>) -> Vec<Alert> {
    let fires = |from: usize| fire(&Past::of(&past[from..]));
    let mut streaks: Vec<(Firing, usize)> =
        if past.is_empty() { Vec::new() } else { fires(0).into_iter().map(|it| (it, 1)).collect() };
    for at in 1..past.len() {
        let before = fires(at);
        let mut goes_on = false;
        for (firing, length) in streaks.iter_mut().filter(|(_, length)| *length == at) {
            if before.iter().any(|it| it.is_same(firing)) {
                *length += 1;
                goes_on = true;
            }
        }
        if !goes_on {
            break;
        }
    }
    let alert = |(firing, length): (Firing, usize)| {
        let Firing { rule, field, now, baseline, text } = firing;
        let runs = |sweep: &Sweep<'_>| {
            if rule.state() == SiteState::Failing { sweep.entry.runs } else { 1 }
        };
        Alert {
            rule,
            field,
            since: past[length - 1].at,
            in_a_row: past[..length].iter().map(runs).sum(),
            now,
            baseline,
            sweep: Some(past[0].entry.id.clone()),
            text,
        }
    };
    streaks.into_iter().map(alert).collect()
}

/// Returns the alert that no sweep was complete for too long.
fn stale(
    entries: &[LedgerEntry],
    past: &[Sweep<'_>],
    expected: &Expectations,
    now: Timestamp,
) -> Option<Alert> {
    let fresh = expected.fresh()?;
    let last = past.iter().find(|sweep| sweep.is_complete());
    let from = last.map(|it| it.at).or_else(|| Some(entries.last()?.entry.started_at))?;
    let age = Duration::try_from(now.duration_since(from)).ok().filter(|age| *age > fresh)?;
    let since = SignedDuration::try_from(fresh).ok().and_then(|it| from.checked_add(it).ok());
    let (shown, limit) = (days(age), humantime::format_duration(fresh));
    let text = match last {
        Some(_) => format!("no complete sweep for {shown}; expected within {limit}"),
        None => format!(
            "no complete sweep since the first one began {shown} ago; expected within {limit}"
        ),
    };
    Some(Alert {
        rule: Rule::Stale,
        field: None,
        since: since.unwrap_or(from),
        in_a_row: 1,
        now: Some(age.as_secs_f64().round()),
        baseline: Some(fresh.as_secs_f64()),
        sweep: last.map(|it| it.entry.id.clone()),
        text,
    })
}

/// Formats a long time in its two largest units.
fn days(time: Duration) -> String {
    let unit = if time.as_secs() >= 86_400 {
        3_600
    } else if time.as_secs() >= 3_600 {
        60
    } else {
        1
    };
    humantime::format_duration(Duration::from_secs(time.as_secs() / unit * unit)).to_string()
}

/// Drops the alerts that say less than another one about the same sweeps.
fn drop_vague(alerts: &mut Vec<Alert>) {
    for (vague, precise) in [
        (Rule::Failing, Rule::Blocked),
        (Rule::Failing, Rule::Canary),
        (Rule::Incomplete, Rule::GoneRefused),
        (Rule::Incomplete, Rule::NothingListed),
    ] {
        let length = alerts.iter().find(|it| it.rule == precise).map(|it| it.in_a_row);
        alerts.retain(|it| it.rule != vague || length.is_none_or(|length| it.in_a_row > length));
    }
}
