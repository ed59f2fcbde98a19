//! Judgements on made-up ledgers: each rule fires and stays silent.

use std::sync::LazyLock;

use jiff::SignedDuration;

use super::*;
use crate::model::report::{Coverage, Finding, Items, Kind, Outcome, Report};
use crate::observe::metrics::Metrics;
use crate::sweep::{State, SweepEntry};

/// Sweeps end each hour before this time.
static NOW: LazyLock<Timestamp> = LazyLock::new(|| "2026-11-20T12:00:00Z".parse().unwrap());

fn ago(hours: i64) -> Timestamp {
    *NOW - SignedDuration::from_hours(hours)
}

/// A sweep of 1,000 items that ended so many hours ago.
fn sweep(hours: i64, outcome: Outcome, change: impl Fn(&mut Report)) -> LedgerEntry {
    let entry = SweepEntry::begin("books", "books", "2:d", Kind::Full);
    let mut entry = entry.end(outcome, &Metrics::new().snapshot(), vec!["why".to_owned()]);
    (entry.started_at, entry.ended_at) = (ago(hours + 1), Some(ago(hours)));
    entry.id = format!("{hours}").into();
    if let Some(report) = &mut entry.report {
        report.index.listed = 1_000;
        report.items = Items { changed: 20, same: 980, ..Items::default() };
        report.elapsed_s = 100.0;
        report.baseline.rules = "r".into();
        report.baseline.fields = [("price".into(), coverage(900, 30))].into();
        change(report);
    }
    LedgerEntry { entry, silent_for: None, progress: None }
}

fn coverage(found: u64, top: u64) -> Coverage {
    Coverage { pages: 1_000, found, top }
}

/// This many usual sweeps, the newest first. The newest ended so many hours ago.
fn usual(from: i64, sweeps: i64) -> Vec<LedgerEntry> {
    (from..from + sweeps).map(|hours| sweep(hours, Outcome::Complete, |_| {})).collect()
}

/// A ledger of 20 usual sweeps and the last one.
fn after_usual(last: LedgerEntry) -> Vec<LedgerEntry> {
    [vec![last], usual(1, 20)].concat()
}

fn judged_by(expected: &Expectations, entries: &[LedgerEntry]) -> Judgement {
    judge(entries, expected, |entry| entry.silent_for.is_some(), *NOW)
}

/// The alerts, each with its field and its number of sweeps in a row.
fn alerts_by(expected: &Expectations, entries: &[LedgerEntry]) -> Vec<String> {
    let alert = |it: Alert| {
        let field = it.field.map_or_else(String::new, |field| format!(" {field}"));
        format!("{}{field} {}", it.rule.name(), it.in_a_row)
    };
    judged_by(expected, entries).alerts.into_iter().map(alert).collect()
}

fn alerts(entries: &[LedgerEntry]) -> Vec<String> {
    alerts_by(&Expectations::default(), entries)
}

/// The alerts of a last sweep that differs from the 20 usual ones before it.
fn alerts_of(change: impl Fn(&mut Report)) -> Vec<String> {
    alerts(&after_usual(sweep(0, Outcome::Complete, change)))
}

const NONE: [&str; 0] = [];

#[test]
fn a_usual_sweep_is_fine_since_the_first_good_one() {
    let judgement = judged_by(&Expectations::default(), &usual(0, 21));
    assert_eq!((judgement.state, judgement.alerts.len()), (SiteState::Fine, 0));
    assert_eq!(judgement.since, Some(ago(20)));
}

#[test]
fn each_count_rule_fires_and_stays_silent() {
    let listed = |listed| alerts_of(|it| it.index.listed = listed);
    assert_eq!(listed(0), ["nothing_listed 1"]);
    assert_eq!(listed(699), ["items_fell 1"]);
    assert_eq!(listed(700), NONE);
    assert_eq!(listed(5_000), NONE, "more items are no reason to worry");

    let price = |found, top| {
        alerts_of(|it| it.baseline.fields = [("price".into(), coverage(found, top))].into())
    };
    assert_eq!(price(699, 30), ["field_fell price 1"]);
    assert_eq!(price(700, 30), NONE);
    assert_eq!(price(900, 856), ["field_constant price 1"]);
    assert_eq!(price(900, 850), NONE);
    let other = [("name".into(), coverage(1_000, 1))];
    assert_eq!(alerts_of(|it| it.baseline.fields = other.clone().into()), ["field_fell price 1"]);
    assert_eq!(alerts_of(|it| it.baseline.fields.clear()), NONE, "no page was read");

    let changed = |changed| alerts_of(|it| it.items.changed = changed);
    assert_eq!((changed(501), changed(500)), (vec!["all_changed 1".to_owned()], vec![]));
    let slow = |elapsed_s| alerts_of(|it| it.elapsed_s = elapsed_s);
    assert_eq!((slow(301.0), slow(300.0)), (vec!["slow 1".to_owned()], vec![]));
    assert_eq!(alerts_of(|it| (it.elapsed_s, it.resumed) = (900.0, true)), NONE);
}

#[test]
fn a_field_that_is_always_constant_and_a_site_that_always_changes_are_usual() {
    let all = |change: &dyn Fn(&mut Report)| {
        (0..21).map(|hours| sweep(hours, Outcome::Complete, change)).collect::<Vec<_>>()
    };
    let constant =
        |it: &mut Report| it.baseline.fields = [("a".into(), coverage(1_000, 999))].into();
    assert_eq!(alerts(&all(&constant)), NONE);
    assert_eq!(alerts(&all(&|it| it.items.changed = 1_000)), NONE);
    assert_eq!(alerts(&all(&|it| it.index.listed = 0)), NONE, "it was always empty");
    // Reports of an earlier version do not count values.
    let earlier = |it: &mut Report| it.baseline.fields = [("a".into(), coverage(1_000, 0))].into();
    let mut upgraded = all(&earlier);
    upgraded[0] = sweep(0, Outcome::Complete, constant);
    assert_eq!(alerts(&upgraded), NONE);
    // A fast site may take three times as long.
    let mut fast = all(&|it| it.elapsed_s = 2.0);
    fast[0] = sweep(0, Outcome::Complete, |it| it.elapsed_s = 30.0);
    assert_eq!(alerts(&fast), NONE);
}

#[test]
fn relative_rules_begin_with_12_complete_sweeps_of_one_definition() {
    let fell = || sweep(0, Outcome::Complete, |it| it.index.listed = 100);
    let after = |sweeps| alerts(&[vec![fell()], usual(1, sweeps)].concat());
    assert_eq!((after(11), after(10)), (vec!["items_fell 1".to_owned()], vec![]));
    let redefined = |mut entries: Vec<LedgerEntry>| {
        entries.iter_mut().for_each(|it| it.entry.scope.definition = "2:other".into());
        [vec![fell()], entries].concat()
    };
    assert_eq!(alerts(&redefined(usual(1, 20))), NONE);
    let limited = |mut entries: Vec<LedgerEntry>| {
        entries.iter_mut().for_each(|it| it.entry.kind = Kind::Limited);
        [vec![fell()], entries].concat()
    };
    assert_eq!(alerts(&limited(usual(1, 20))), NONE, "parts of the site");
    // Nothing at all is noticed at once.
    let nothing = sweep(0, Outcome::Complete, |it| it.index.listed = 0);
    assert_eq!(alerts(&[vec![nothing], usual(1, 1)].concat()), ["nothing_listed 1"]);
}

#[test]
fn a_decline_of_3_percent_a_run_fires() {
    let declining = |sweeps: i64, factor: f64| {
        let listed = |hours: i64| (10_000.0 * factor.powi((sweeps - hours) as i32)) as u64;
        let one = |hours| sweep(hours, Outcome::Complete, |it| it.index.listed = listed(hours));
        alerts(&(0..sweeps).map(one).collect::<Vec<_>>())
    };
    let declined = declining(40, 0.97);
    assert!(matches!(&*declined, [one] if one.starts_with("items_fell ")), "{declined:?}");
    assert_eq!(declining(40, 0.99), NONE);
}

#[test]
fn nothing_is_told_of_sites_that_list_nothing_for_days_and_then_forgotten() {
    let nothing = |hours| sweep(hours, Outcome::Complete, |it| it.index.listed = 0);
    let entries = [(0..5).map(nothing).collect(), usual(5, 3)].concat();
    let judgement = judged_by(&Expectations::default(), &entries);
    assert_eq!(judgement.state, SiteState::Suspect);
    assert_eq!((judgement.alerts[0].in_a_row, judgement.alerts[0].since), (5, ago(4)));
}

#[test]
fn expectations_of_the_site_file_need_no_baseline() {
    let expected = |change: &dyn Fn(&mut Expectations)| {
        let mut expected = Expectations::default();
        change(&mut expected);
        alerts_by(&expected, &usual(0, 1))
    };
    assert_eq!(expected(&|it| it.min_items = Some(1_001)), ["items_fell 1"]);
    assert_eq!(expected(&|it| it.min_items = Some(1_000)), NONE);
    assert_eq!(expected(&|it| it.fields = [("price".into(), 91)].into()), ["field_fell price 1"]);
    assert_eq!(expected(&|it| it.fields = [("price".into(), 90)].into()), NONE);
    assert_eq!(expected(&|it| it.fields = [("isbn".into(), 1)].into()), ["field_fell isbn 1"]);
    let fell = after_usual(sweep(0, Outcome::Complete, |it| it.index.listed = 850));
    let drop = |max_drop| {
        alerts_by(&Expectations { max_drop: Some(max_drop), ..Expectations::default() }, &fell)
    };
    assert_eq!((drop(10), drop(15)), (vec!["items_fell 1".to_owned()], vec![]));
}

#[test]
fn a_site_without_a_complete_sweep_for_too_long_is_stale() {
    let stale = |every_h: Option<u64>, fresh_h: Option<u64>, entries: &[LedgerEntry]| {
        let seconds = |hours: u64| hours * 3_600;
        let expected = Expectations {
            every_s: every_h.map(seconds),
            fresh_s: fresh_h.map(seconds),
            ..Expectations::default()
        };
        alerts_by(&expected, entries)
    };
    let last = usual(7, 3);
    assert_eq!(stale(Some(2), None, &last), ["stale 1"]);
    assert_eq!(stale(Some(3), None, &last), NONE);
    assert_eq!(stale(Some(3), Some(6), &last), ["stale 1"], "`fresh` counts before `every`");
    assert_eq!(stale(None, None, &last), NONE);
    // Sweeps that are not complete do not make a site fresh.
    let incomplete = [vec![sweep(0, Outcome::Incomplete, |_| {})], last].concat();
    assert_eq!(stale(Some(2), None, &incomplete), ["stale 1", "incomplete 1"]);
    // Nor does one that runs.
    let mut first = sweep(9, Outcome::Complete, |_| {});
    (first.entry.state, first.silent_for) = (State::Running, Some(Duration::ZERO));
    assert_eq!(stale(Some(3), None, &[first]), ["stale 1"]);
    assert_eq!(stale(Some(2), None, &usual(-5, 1)), NONE, "the clock was set back");
}

#[test]
fn outcomes_and_findings_make_alerts_and_states() {
    let of = |outcome, finding: Option<Finding>| {
        let last = sweep(0, outcome, |it| it.baseline.findings = finding.into_iter().collect());
        let judgement = judged_by(&Expectations::default(), &after_usual(last));
        let alerts = judgement.alerts.iter().map(|it| it.rule.name());
        (judgement.state.name(), alerts.collect::<Vec<_>>().join(" "))
    };
    assert_eq!(of(Outcome::Failed, None), ("failing", "failing".into()));
    assert_eq!(of(Outcome::Failed, Some(Finding::Blocked)), ("failing", "blocked".into()));
    assert_eq!(of(Outcome::Failed, Some(Finding::Redesigned)), ("failing", "canary".into()));
    assert_eq!(of(Outcome::Incomplete, None), ("incomplete", "incomplete".into()));
    let refused = of(Outcome::Incomplete, Some(Finding::GoneRefused));
    assert_eq!(refused, ("incomplete", "gone_refused".into()));
    assert_eq!(of(Outcome::Interrupted, None), ("fine", String::new()));
    let only = |outcome| judged_by(&Expectations::default(), &[sweep(0, outcome, |_| {})]).state;
    assert_eq!(only(Outcome::Interrupted), SiteState::Incomplete, "it was never complete");
    assert_eq!(only(Outcome::Complete), SiteState::Fine);
}

#[test]
fn runs_in_a_row_are_counted_by_sweeps_and_by_the_runs_of_a_failed_one() {
    let failed = |hours| sweep(hours, Outcome::Failed, |_| {});
    let entries = [vec![failed(0), failed(1)], usual(2, 3), vec![failed(5)]].concat();
    assert_eq!(alerts(&entries), ["failing 2"]);
    let mut resumed = failed(0);
    resumed.entry.runs = 3;
    assert_eq!(alerts(&[vec![resumed], usual(1, 3)].concat()), ["failing 3"]);
    // A site that blocks on some of its failures fails all the same.
    let blocked = sweep(0, Outcome::Failed, |it| it.baseline.findings = [Finding::Blocked].into());
    assert_eq!(alerts(&[blocked, failed(1), failed(2)]), ["failing 3", "blocked 1"]);
}

/// Partial sweeps list what changed: they are no reason to worry about counts, and none not to.
#[test]
fn partial_sweeps_count_for_outcomes_and_freshness_only() {
    let partial = |hours, outcome| {
        let mut sweep = sweep(hours, outcome, |it| it.index.listed = 3);
        sweep.entry.kind = Kind::Partial { since: ago(hours + 2) };
        sweep
    };
    let between = |last: LedgerEntry| {
        let fell = |hours| sweep(hours, Outcome::Complete, |it| it.index.listed = 100);
        [vec![last, fell(1), partial(2, Outcome::Complete), fell(3)], usual(4, 20)].concat()
    };
    assert_eq!(alerts(&between(partial(0, Outcome::Complete))), ["items_fell 2"]);
    let incomplete = alerts(&between(partial(0, Outcome::Incomplete)));
    assert_eq!(incomplete, ["items_fell 2", "incomplete 1"]);
    let hourly = Expectations { every_s: Some(3_600), ..Expectations::default() };
    let weekly = [vec![partial(0, Outcome::Complete)], usual(9, 3)].concat();
    assert_eq!(alerts_by(&hourly, &weekly), NONE);
}

#[test]
fn a_live_run_is_running_and_a_dead_one_has_failed() {
    let running = |silent: Option<Duration>, runs| {
        let mut run = sweep(0, Outcome::Complete, |_| {});
        run.entry =
            SweepEntry { state: State::Running, report: None, ended_at: None, runs, ..run.entry };
        run.silent_for = silent;
        judged_by(&Expectations::default(), &[vec![run], usual(1, 3)].concat())
    };
    let live = running(Some(Duration::ZERO), 1);
    assert_eq!((live.state, live.since, live.is_open), (SiteState::Running, Some(ago(1)), false));
    assert!(running(Some(Duration::ZERO), 2).is_open, "the run before it may have failed");
    let dead = running(None, 1);
    assert_eq!((dead.state, dead.alerts[0].rule), (SiteState::Failing, Rule::Failing));
    assert!(dead.alerts[0].text.contains("process died"), "{dead:?}");
}

#[test]
fn expectations_are_written_without_what_is_not_set() {
    let written = serde_json::to_string(&Expectations::default()).unwrap();
    assert_eq!(written, "{}");
    let expected = Expectations { every_s: Some(60), ..Expectations::default() };
    let document = bson::serialize_to_document(&expected).unwrap();
    assert_eq!(bson::deserialize_from_document::<Expectations>(document).unwrap(), expected);
}
