//! What starts, on tables of made-up fleets.

use super::*;

const HOUR: Duration = Duration::from_secs(3_600);

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).unwrap()
}

fn at(due: i64, cause: Cause) -> Standing {
    Standing::Due(Due::At(second(due), cause))
}

fn limits(at_once: usize) -> Limits {
    Limits { at_once, since: second(0), last_spread: None, no_room: None }
}

/// The decisions at second 1000 on sites with these names, hosts and standings.
fn decide(sites: &[(&str, &str, Standing)], limits: &Limits) -> Vec<String> {
    let hosts: Vec<Vec<Box<str>>> =
        sites.iter().map(|(_, hosts, _)| hosts.split(' ').map(Into::into).collect()).collect();
    let candidates: Vec<Candidate<'_>> = sites
        .iter()
        .zip(&hosts)
        .map(|((name, _, standing), hosts)| Candidate {
            name,
            hosts,
            interval: HOUR,
            standing: standing.clone(),
        })
        .collect();
    let shown = |verdict: Verdict| match verdict {
        Verdict::Start { spread: true } => "start first".to_owned(),
        Verdict::Start { spread: false } => "start".to_owned(),
        Verdict::Wait(wait) => wait.to_string(),
    };
    plan(&candidates, limits, second(1_000)).into_iter().map(shown).collect()
}

#[test]
fn unfinished_sweeps_start_first_and_then_what_is_due_the_longest() {
    let sites = [
        ("a", "a", at(900, Cause::Scheduled)),
        ("b", "b", at(800, Cause::Scheduled)),
        ("c", "c", at(950, Cause::Unfinished)),
        ("d", "d", at(700, Cause::Retry)),
        ("e", "e", at(1_001, Cause::Scheduled)),
        ("f", "f", at(1_001, Cause::Retry)),
    ];
    let full = |most: usize| format!("all slots are in use (--at-once {most})");
    let (due, failed) = ("it is not due", "the last attempt failed");
    for (most, expected) in [
        (1, [&*full(1), &full(1), "start", &full(1), due, failed]),
        (2, [&*full(2), &full(2), "start", "start", due, failed]),
        (3, [&*full(3), "start", "start", "start", due, failed]),
        (9, ["start", "start", "start", "start", due, failed]),
    ] {
        assert_eq!(decide(&sites, &limits(most)), expected);
    }
}

#[test]
fn what_runs_here_or_elsewhere_takes_a_slot_and_its_hosts() {
    let sites = [
        ("a", "shop.example", Standing::Runs),
        ("b", "other.example cdn.example", Standing::Due(Due::AfterRun)),
        ("c", "shop.example", at(0, Cause::Scheduled)),
        ("d", "d.example cdn.example", at(1, Cause::Unfinished)),
        ("e", "e.example", at(2, Cause::Scheduled)),
    ];
    let (own, held) = ("its sweep runs", "another run holds the site lock");
    let of_a = "the sweep of a uses shop.example";
    let of_b = "the sweep of b uses cdn.example";
    assert_eq!(decide(&sites, &limits(3)), [own, held, of_a, of_b, "start"]);
    let full = "all slots are in use (--at-once 2)";
    assert_eq!(decide(&sites, &limits(2)), [own, held, of_a, of_b, full]);
    assert_eq!(decide(&sites, &limits(1))[4], "all slots are in use (--at-once 1)");
}

#[test]
fn two_sites_of_a_host_never_start_together() {
    let sites = [
        ("a", "shop.example", at(500, Cause::Scheduled)),
        ("b", "shop.example", at(400, Cause::Scheduled)),
        ("c", "shop.example:8080", at(600, Cause::Scheduled)),
    ];
    let expected = ["the sweep of b uses shop.example", "start", "start"];
    assert_eq!(decide(&sites, &limits(4)), expected);
}

#[test]
fn first_starts_and_those_missed_while_nothing_ran_are_spread() {
    let sites = [
        ("a", "a", at(-1, Cause::Scheduled)),
        ("b", "b", at(0, Cause::First)),
        ("c", "c", at(0, Cause::Scheduled)),
        ("d", "d", at(-5, Cause::Unfinished)),
        ("e", "e", at(-9, Cause::Retry)),
    ];
    let spread = "first starts are spread";
    let with = |last| Limits { last_spread: last, ..limits(9) };
    let none = [spread, spread, "start", "start", "start first"];
    assert_eq!(decide(&sites, &with(None)), none);
    assert_eq!(decide(&sites, &with(Some(second(990)))), none);
    let early = [spread, spread, "start", "start", spread];
    assert_eq!(decide(&sites, &with(Some(second(991)))), early);
    assert_eq!(decide(&sites, &with(Some(second(5_000)))), none, "the clock was set back");
}

#[test]
fn the_gap_of_first_starts_is_short_where_sweeps_are_frequent() {
    let hosts = [Box::from("a")];
    let often = Candidate {
        name: "a",
        hosts: &hosts,
        interval: Duration::from_secs(20),
        standing: at(0, Cause::First),
    };
    let decide = |ago: i64| {
        let limits = Limits { last_spread: Some(second(1_000 - ago)), ..limits(4) };
        plan(std::slice::from_ref(&often), &limits, second(1_000)).remove(0)
    };
    assert_eq!(decide(1), Verdict::Wait(Wait::Spread(second(1_001))));
    assert_eq!(decide(2), Verdict::Start { spread: true });
}

#[test]
fn without_room_nothing_starts_and_what_cannot_start_says_why() {
    let sites = [
        ("a", "a", at(0, Cause::Unfinished)),
        ("b", "b", at(5_000, Cause::Scheduled)),
        ("c", "c", Standing::Cannot("its file is wrong".into())),
        ("d", "d", Standing::Runs),
    ];
    let no_room = Some("only 3 MiB are free".to_owned());
    let decided = decide(&sites, &Limits { no_room, ..limits(4) });
    let expected = ["only 3 MiB are free", "it is not due", "its file is wrong", "its sweep runs"];
    assert_eq!(decided, expected);
}
