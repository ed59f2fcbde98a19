//! The rules about the last sweep, one function for each kind. The table of rules for users is in
//! `docs/operations.md`.

use std::collections::BTreeSet;

use super::past::Past;
use super::{Expectations, Rule};
use crate::model::report::{Coverage, Finding, Outcome, Report};
use crate::model::text::{count, counted, plain, seconds};

/// Number of points, in percent, by which the share of items with a field must fall.
const POINTS: f64 = 20.0;
/// Share of items with one value, in percent, from which on a field counts as constant.
const CONSTANT: f64 = 95.0;
/// Share of items with the most frequent value, in percent, below which a field usually varies.
const VARIES: f64 = 50.0;
/// Minimum number of items for a field to count as constant.
const FEWEST: u64 = 5;
/// Factor of the baseline above which changes and durations are unusual.
const FACTOR: f64 = 3.0;
/// Minimum duration of a slow sweep, in seconds.
const SHORTEST: f64 = 60.0;

/// A rule that fires on a sweep.
#[derive(Debug, Clone, PartialEq)]
pub struct Firing {
    /// The rule.
    pub rule: Rule,
    /// Field that it is about, if any.
    pub field: Option<Box<str>>,
    /// Value of the sweep.
    pub now: Option<f64>,
    /// Value that is usual or expected.
    pub baseline: Option<f64>,
    /// Description in one sentence.
    pub text: String,
}

impl Firing {
    /// Returns true if both are about the same thing.
    pub fn is_same(&self, other: &Firing) -> bool {
        (self.rule, &self.field) == (other.rule, &other.field)
    }

    fn new(rule: Rule, text: String) -> Firing {
        Firing { rule, field: None, now: None, baseline: None, text }
    }

    fn of(self, now: f64, baseline: f64) -> Firing {
        let round = |value: f64| Some((value * 10.0).round() / 10.0);
        Firing { now: round(now), baseline: round(baseline), ..self }
    }
}

/// Returns the rules about counts that fire on the last sweep of `past`. All sweeps there are full.
pub fn by_counts(past: &Past<'_>, expected: &Expectations) -> Vec<Firing> {
    let Some(report) = past.last.counted() else { return Vec::new() };
    let mut firings: Vec<Firing> = listed(past, report, expected).into_iter().collect();
    firings.extend(fields(past, report, expected));
    firings.extend(changed(past, report));
    firings.extend(slow(past, report));
    firings
}

/// Returns the rules about the outcome that fire on the last sweep of `past`.
pub fn by_outcome(past: &Past<'_>) -> Vec<Firing> {
    let (entry, outcome) = (past.last.entry, past.last.outcome);
    let said = entry.report.as_ref().and_then(|report| report.problems.last());
    let said = said.map_or_else(
        || {
            "the run ended without a report: its process died, or the store was unavailable"
                .to_owned()
        },
        |problem| plain(problem),
    );
    let mut rules = match outcome {
        Outcome::Failed => vec![Rule::Failing],
        Outcome::Incomplete => vec![Rule::Incomplete],
        Outcome::Complete | Outcome::Interrupted => Vec::new(),
    };
    let findings = entry.report.iter().flat_map(|report| &report.baseline.findings);
    rules.extend(findings.map(|finding| match finding {
        Finding::Blocked => Rule::Blocked,
        Finding::Redesigned => Rule::Canary,
        Finding::GoneRefused => Rule::GoneRefused,
    }));
    rules.into_iter().map(|rule| Firing::new(rule, said.clone())).collect()
}

fn listed(past: &Past<'_>, report: &Report, expected: &Expectations) -> Option<Firing> {
    let now = report.index.listed;
    let before = past.complete.iter().map(|it| it.index.listed).find(|listed| *listed > 0);
    if let Some(before) = before.filter(|_| now == 0) {
        let text = format!("nothing is listed; an earlier sweep listed {}", count(before));
        return Some(Firing::new(Rule::NothingListed, text).of(0.0, before as f64));
    }
    let items = counted(now, "item is listed", "items are listed");
    if let Some(least) = expected.min_items.filter(|least| now < *least) {
        let text = format!("{items}; `min_items` is {}", count(least));
        return Some(Firing::new(Rule::ItemsFell, text).of(now as f64, least as f64));
    }
    let usual = past.usual(|it| Some(it.index.listed as f64))?;
    let least = usual * f64::from(100 - expected.max_drop().min(100)) / 100.0;
    (usual > 0.0 && (now as f64) < least).then(|| {
        let drop = 100.0 - now as f64 / usual * 100.0;
        let text = format!("{items}, {drop:.0} % below the usual {}", count(usual.round() as u64));
        Firing::new(Rule::ItemsFell, text).of(now as f64, usual)
    })
}

/// Returns the share of pages that had a field, in percent, or `None` if no page was read.
fn share(report: &Report, name: &str) -> Option<f64> {
    let fields = &report.baseline.fields;
    let pages = fields.values().map(|it| it.pages).max().filter(|pages| *pages > 0)?;
    let found = fields.get(name).map_or(0, |it| it.found);
    Some(found as f64 * 100.0 / pages as f64)
}

/// Returns the share of a field's most frequent value, in percent of the pages that had the field.
fn share_of_top(report: &Report, name: &str) -> Option<f64> {
    let Coverage { found, top, .. } = report.baseline.fields.get(name)?;
    // Reports of earlier versions have no such count.
    (*top > 0 && *found >= FEWEST).then(|| *top as f64 * 100.0 / *found as f64)
}

fn fields(past: &Past<'_>, report: &Report, expected: &Expectations) -> Vec<Firing> {
    let rules = &report.baseline.rules;
    let same = |it: &Report| it.baseline.rules == *rules;
    let names: BTreeSet<&str> =
        past.fields().chain(expected.fields.keys().map(|it| &**it)).collect();
    let mut firings = Vec::new();
    for name in names {
        let about = |rule, text, now, baseline| {
            let field = Some(name.into());
            Firing { field, ..Firing::new(rule, text).of(now, baseline) }
        };
        let shown = plain(name);
        let usual = past.usual(|it| share(it, name).filter(|_| same(it)));
        let now = share(report, name);
        let least = expected.fields.get(name).map(|least| f64::from(*least));
        if let (Some(now), Some(least)) =
            (now, least.filter(|least| now.is_some_and(|it| it < *least)))
        {
            let text = format!("`{shown}` is on {now:.0} % of the items; expected on {least:.0} %");
            firings.push(about(Rule::FieldFell, text, now, least));
        } else if let (Some(now), Some(usual)) = (now, usual)
            && now < usual - POINTS
        {
            let text = format!("`{shown}` is on {now:.0} % of the items, usually on {usual:.0} %");
            firings.push(about(Rule::FieldFell, text, now, usual));
        }
        let varied = past.usual(|it| share_of_top(it, name).filter(|_| same(it)));
        if let (Some(now), Some(usual)) = (share_of_top(report, name), varied)
            && now >= CONSTANT
            && usual < VARIES
        {
            let text = format!(
                "`{shown}` has one value on {now:.0} % of the items; usually its most frequent value is on {usual:.0} %"
            );
            firings.push(about(Rule::FieldConstant, text, now, usual));
        }
    }
    firings
}

fn changed(past: &Past<'_>, report: &Report) -> Option<Firing> {
    let changed = |it: &Report| Some(it.items.changed as f64);
    let (now, usual) = (report.items.changed as f64, past.usual(changed)?);
    let is_half = report.items.changed * 2 > report.index.listed;
    (is_half && now > usual * FACTOR).then(|| {
        let items = counted(report.items.changed, "item", "items");
        let text = format!("{items} of {} changed, usually {usual:.0}", count(report.index.listed));
        Firing::new(Rule::AllChanged, text).of(now, usual)
    })
}

fn slow(past: &Past<'_>, report: &Report) -> Option<Firing> {
    // The report of a resumed sweep has the duration of its last run only.
    let took = |it: &Report| Some(it.elapsed_s).filter(|_| !it.resumed);
    let (now, usual) = (took(report)?, past.usual(took)?);
    (now >= SHORTEST && now > usual * FACTOR).then(|| {
        let text = format!("the sweep took {}, usually {}", seconds(now), seconds(usual));
        Firing::new(Rule::Slow, text).of(now, usual)
    })
}
