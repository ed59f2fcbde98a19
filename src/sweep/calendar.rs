//! The schedule of a site: at which times its sweeps start.
//!
//! Times of day are those of a clock on the wall of a time zone. A time that a change of the clock
//! skips is moved to after the change, and a time that occurs twice counts once, the first time. So
//! each day has each of its starts once.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Number of days that are searched for the next start: one week, a day before it, whose times a
/// change of the clock may move, and a day after it.
const DAYS: usize = 9;

/// When the sweeps of a site start, from `[schedule]` in its site file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// At an interval from start to start.
    Every(Duration),
    /// At times of the day.
    At(Calendar),
}

/// Times of the day, on some days of the week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    times: Vec<Time>,
    days: Vec<Weekday>,
    zone: TimeZone,
}

impl Schedule {
    /// Returns the first start after `last`, the start before it, that is not before `from`.
    pub fn start(&self, last: Timestamp, from: Timestamp) -> Timestamp {
        match self {
            Schedule::Every(every) => {
                let every = i128::try_from(every.as_nanos()).unwrap_or(i128::MAX).max(1);
                let past = (from.as_nanosecond() - last.as_nanosecond()).max(1);
                let starts = (past - 1) / every + 1;
                let nanos = every.checked_mul(starts);
                let at = nanos.and_then(|nanos| nanos.checked_add(last.as_nanosecond()));
                at.and_then(|at| Timestamp::from_nanosecond(at).ok()).unwrap_or(Timestamp::MAX)
            }
            Schedule::At(calendar) => {
                let just_before = from.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(from);
                calendar.next(last.max(just_before)).unwrap_or(Timestamp::MAX)
            }
        }
    }

    /// Describes the schedule, with the next start after `now` if it is at times of the day.
    pub fn with_next(&self, now: Timestamp) -> String {
        match self {
            Schedule::Every(_) => self.to_string(),
            Schedule::At(calendar) => match calendar.next(now) {
                Some(next) => {
                    let next = next.to_zoned(calendar.zone.clone());
                    format!("{self}; next on {}", next.strftime("%Y-%m-%d at %H:%M %Z"))
                }
                None => self.to_string(),
            },
        }
    }

    /// Returns the longest time between two starts, apart from changes of the clock.
    pub fn interval(&self) -> Duration {
        match self {
            Schedule::Every(every) => *every,
            Schedule::At(calendar) => calendar.longest(),
        }
    }
}

impl Calendar {
    /// Creates a calendar of these times on these days, or on all days if there are none. Returns
    /// `None` without a time.
    pub fn new(mut times: Vec<Time>, mut days: Vec<Weekday>, zone: TimeZone) -> Option<Calendar> {
        times.sort_unstable();
        times.dedup();
        days.sort_unstable_by_key(|day| day.to_monday_zero_offset());
        days.dedup();
        (!times.is_empty()).then_some(Calendar { times, days, zone })
    }

    /// Returns the first start after `after`, or `None` at the end of time.
    fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let mut day = after.to_zoned(self.zone.clone()).date().yesterday().ok()?;
        let mut first: Option<Timestamp> = None;
        for _ in 0..DAYS + 1 {
            let had = first;
            if self.days.is_empty() || self.days.contains(&day.weekday()) {
                let at = |time: &Time| day.to_datetime(*time).to_zoned(self.zone.clone()).ok();
                let starts = self.times.iter().filter_map(at).map(|it| it.timestamp());
                first = starts.chain(had).filter(|start| *start > after).min();
            }
            // A time of the day before, moved by a change of the clock, may be later than one of this day.
            if had.is_some() {
                break;
            }
            day = day.tomorrow().ok()?;
        }
        first
    }

    fn longest(&self) -> Duration {
        const DAY: i64 = 86_400;
        let days: Vec<i64> = match self.days.as_slice() {
            [] => (0..7).collect(),
            days => days.iter().map(|day| i64::from(day.to_monday_zero_offset())).collect(),
        };
        let second = |time: &Time| i64::from(time.hour()) * 3_600 + i64::from(time.minute()) * 60;
        let starts = days.iter().flat_map(|day| self.times.iter().map(move |it| (day, it)));
        let starts: Vec<i64> = starts.map(|(day, time)| day * DAY + second(time)).collect();
        let next = starts.iter().skip(1).copied().chain(starts.first().map(|it| it + 7 * DAY));
        let longest = starts.iter().zip(next).map(|(start, next)| next - start).max();
        Duration::from_secs(u64::try_from(longest.unwrap_or(7 * DAY)).unwrap_or_default())
    }
}

impl Display for Schedule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Schedule::Every(every) => write!(f, "every {}", humantime::format_duration(*every)),
            Schedule::At(Calendar { times, days, zone }) => {
                let times: Vec<String> =
                    times.iter().map(|it| it.strftime("%H:%M").to_string()).collect();
                write!(f, "at {} {}", times.join(", "), zone.iana_name().unwrap_or("UTC"))?;
                match days.as_slice() {
                    [] => Ok(()),
                    days => {
                        let days: Vec<&str> = days.iter().map(|day| name(*day)).collect();
                        write!(f, " on {}", days.join(", "))
                    }
                }
            }
        }
    }
}

/// Days of the week by the names that site files use.
pub const WEEKDAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

fn name(day: Weekday) -> &'static str {
    WEEKDAYS.iter().find(|(_, it)| *it == day).map_or("", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn calendar(times: &[&str], days: &[Weekday], zone: &str) -> Schedule {
        let times = times.iter().map(|time| format!("{time}:00").parse().unwrap()).collect();
        let zone = TimeZone::get(zone).unwrap();
        Schedule::At(Calendar::new(times, days.to_vec(), zone).unwrap())
    }

    /// The starts after `from`, up to `count`.
    fn starts(schedule: &Schedule, from: &str, count: usize) -> Vec<String> {
        let mut last = at(from);
        let next = || {
            last = schedule.start(last, last);
            Some(last.to_string())
        };
        std::iter::from_fn(next).take(count).collect()
    }

    #[test]
    fn an_interval_counts_from_the_last_start_and_skips_what_is_past() {
        let hourly = Schedule::Every(Duration::from_secs(3_600));
        let last = at("2026-01-01T00:10:00Z");
        for (from, next) in [
            ("2025-12-31T00:00:00Z", "2026-01-01T01:10:00Z"),
            ("2026-01-01T00:10:00Z", "2026-01-01T01:10:00Z"),
            ("2026-01-01T01:10:00Z", "2026-01-01T01:10:00Z"),
            ("2026-01-01T01:10:01Z", "2026-01-01T02:10:00Z"),
            ("2026-01-01T05:00:00Z", "2026-01-01T05:10:00Z"),
        ] {
            assert_eq!(hourly.start(last, at(from)).to_string(), next, "{from}");
        }
        let endless = Schedule::Every(Duration::MAX);
        assert_eq!(endless.start(last, last), Timestamp::MAX);
    }

    #[test]
    fn times_of_the_day_are_those_of_the_zone() {
        let twice = calendar(&["15:00", "03:15"], &[], "Europe/Berlin");
        assert_eq!(
            starts(&twice, "2026-01-01T00:00:00Z", 3),
            ["2026-01-01T02:15:00Z", "2026-01-01T14:00:00Z", "2026-01-02T02:15:00Z"]
        );
        let from = at("2026-01-01T02:15:00Z");
        assert_eq!(twice.start(at("2025-12-31T20:00:00Z"), from), from, "a start that is due now");
        assert_eq!(twice.start(from, from), at("2026-01-01T14:00:00Z"));
    }

    #[test]
    fn days_of_the_week_are_those_of_the_zone() {
        // Monday 00:30 in Tokyo is Sunday in UTC.
        let mondays = calendar(&["00:30"], &[Weekday::Monday], "Asia/Tokyo");
        assert_eq!(
            starts(&mondays, "2026-01-01T00:00:00Z", 2),
            ["2026-01-04T15:30:00Z", "2026-01-11T15:30:00Z"]
        );
        let all: Vec<Weekday> = WEEKDAYS.iter().map(|(_, day)| *day).collect();
        let from = "2026-01-01T00:00:00Z";
        assert_eq!(
            starts(&calendar(&["12:00"], &all, "UTC"), from, 9),
            starts(&calendar(&["12:00"], &[], "UTC"), from, 9)
        );
    }

    /// In Berlin the clock goes from 02:00 to 03:00 on 2026-03-29, and from 03:00 to 02:00 on
    /// 2026-10-25.
    #[test]
    fn a_time_that_the_clock_skips_is_moved_and_one_that_occurs_twice_counts_once() {
        let nightly = calendar(&["02:30"], &[], "Europe/Berlin");
        assert_eq!(
            starts(&nightly, "2026-03-28T00:00:00Z", 3),
            ["2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]
        );
        assert_eq!(
            starts(&nightly, "2026-10-24T00:00:00Z", 3),
            ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
        // Two times that are one after the change are one start, and their order may change.
        let both = calendar(&["02:30", "03:15", "03:30"], &[], "Europe/Berlin");
        assert_eq!(
            starts(&both, "2026-03-29T00:00:00Z", 3),
            ["2026-03-29T01:15:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]
        );
    }

    #[test]
    fn a_day_that_a_zone_skips_has_its_start_a_day_later() {
        // Samoa had no 2011-12-30.
        let noon = calendar(&["12:00"], &[], "Pacific/Apia");
        assert_eq!(
            starts(&noon, "2011-12-29T00:00:00Z", 3),
            ["2011-12-29T22:00:00Z", "2011-12-30T22:00:00Z", "2011-12-31T22:00:00Z"]
        );
        // Santiago's clock goes from 24:00 to 01:00: a time of the next day is moved past others.
        let early = calendar(&["00:30", "01:15"], &[], "America/Santiago");
        assert_eq!(
            starts(&early, "2026-09-05T12:00:00Z", 3),
            ["2026-09-06T04:15:00Z", "2026-09-06T04:30:00Z", "2026-09-07T03:30:00Z"]
        );
    }

    #[test]
    fn the_longest_time_between_two_starts_is_over_nights_and_weekends() {
        let hours = |hours: u64| Duration::from_secs(3_600 * hours);
        let weekdays: Vec<Weekday> = WEEKDAYS[..5].iter().map(|(_, day)| *day).collect();
        for (times, days, longest) in [
            (&["03:15"][..], &[][..], hours(24)),
            (&["06:00", "18:00"], &[], hours(12)),
            (&["06:00", "08:00"], &[], hours(22)),
            (&["06:00"], &weekdays, hours(72)),
            (&["06:00"], &[Weekday::Sunday], hours(7 * 24)),
        ] {
            assert_eq!(calendar(times, days, "UTC").interval(), longest, "{times:?} {days:?}");
        }
    }

    #[test]
    fn schedules_are_shown_as_they_are_written() {
        let shown = |schedule: Schedule| schedule.to_string();
        assert_eq!(shown(Schedule::Every(Duration::from_secs(5_400))), "every 1h 30m");
        assert_eq!(shown(calendar(&["15:00", "03:15"], &[], "UTC")), "at 03:15, 15:00 UTC");
        let days = [Weekday::Sunday, Weekday::Monday];
        let shown = shown(calendar(&["03:15"], &days, "Europe/Berlin"));
        assert_eq!(shown, "at 03:15 Europe/Berlin on mon, sun");
        let next = calendar(&["02:30"], &[], "Europe/Berlin").with_next(at("2026-03-28T12:00:00Z"));
        assert_eq!(next, "at 02:30 Europe/Berlin; next on 2026-03-29 at 03:30 CEST");
    }
}
