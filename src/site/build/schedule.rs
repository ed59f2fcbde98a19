//! Builds the schedule of a site from the table `[schedule]`.

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;

use super::expect::duration;
use super::{Wrong, at_key, refuse, wrong};
use crate::site::file::ScheduleTable;
use crate::site::written::{At, OneOrMany};
use crate::sweep::calendar::{Calendar, Schedule, WEEKDAYS};

/// Builds the schedule.
pub fn build(written: &At<ScheduleTable>) -> Result<Schedule, Wrong> {
    let ScheduleTable { every, at, timezone, days } = &written.value;
    let only_at = timezone.as_ref().map(|it| at_key(it, "schedule.timezone"));
    let only_at = only_at.or_else(|| days.as_ref().map(|it| at_key(it, "schedule.days")));
    match (every, at) {
        (Some(every), None) => {
            refuse(only_at, "it belongs to `at`, and `every` is set")?;
            let every = duration("schedule.every", every)?;
            Ok(Schedule::Every(std::time::Duration::from_secs(every)))
        }
        (None, Some(at)) => {
            let times =
                each(at, time, "schedule.at", "must be a time from 00:00 to 23:59, such as 03:15")?;
            let days = days.as_ref().map(|days| {
                each(days, weekday, "schedule.days", "must be mon, tue, wed, thu, fri, sat or sun")
            });
            let zone = timezone.as_ref().map(zone).transpose()?.unwrap_or(TimeZone::UTC);
            let calendar = Calendar::new(times, days.transpose()?.unwrap_or_default(), zone);
            let none = || wrong(at, "schedule.at", "names no time; write such as [\"03:15\"]");
            calendar.map(Schedule::At).ok_or_else(none)
        }
        (Some(_), Some(at)) => {
            Err(wrong(at, "schedule.at", "not valid together with `every`: set one of them"))
        }
        (None, None) => Err(wrong(written, "schedule", "set `every` or `at`")),
    }
}

/// Reads each text of a list.
fn each<T>(
    written: &At<OneOrMany>,
    read: fn(&str) -> Option<T>,
    key: &str,
    rule: &str,
) -> Result<Vec<T>, Wrong> {
    let OneOrMany(texts) = &written.value;
    if texts.is_empty() {
        return Err(wrong(written, key, "is empty"));
    }
    let read =
        |text: &String| read(text).ok_or_else(|| wrong(written, key, format!("`{text}`: {rule}")));
    texts.iter().map(read).collect()
}

fn time(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| {
        let is_plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i8>().ok().filter(|_| is_plain)
    };
    Time::new(number(hour)?, number(minute)?, 0, 0).ok()
}

fn weekday(text: &str) -> Option<Weekday> {
    WEEKDAYS.iter().find(|(name, _)| *name == text).map(|(_, day)| *day)
}

fn zone(written: &At<String>) -> Result<TimeZone, Wrong> {
    TimeZone::get(&written.value).map_err(|_| {
        let message = format!(
            "`{}` is not a known time zone; write its name as in Europe/Berlin",
            written.value
        );
        wrong(written, "schedule.timezone", message)
    })
}

#[cfg(test)]
mod tests {
    use crate::site::Site;

    fn site(tables: &str) -> Result<Site, String> {
        let text = format!(
            "name = 's'\nbase_url = 'http://h'\n[index]\nurl = '/'\nitems = '$[*]'\nkey = '$.id'\n{tables}\n"
        );
        Site::parse(&text, "s.toml").map_err(|error| error.to_string())
    }

    fn schedule(table: &str) -> Result<String, String> {
        let site = site(&format!("[schedule]\n{table}"))?;
        Ok(site.own.schedule.map(|it| it.to_string()).unwrap_or_default())
    }

    #[test]
    fn schedules_are_read() {
        for (table, shown) in [
            ("every = '6h'", "every 6h"),
            ("at = '03:15'", "at 03:15 UTC"),
            ("at = ['15:00', '03:15', '03:15']", "at 03:15, 15:00 UTC"),
            (
                "at = ['03:15']\ntimezone = 'Europe/Berlin'\ndays = ['sun', 'mon']",
                "at 03:15 Europe/Berlin on mon, sun",
            ),
        ] {
            assert_eq!(schedule(table), Ok(shown.to_owned()));
        }
        assert_eq!(site("").unwrap().own.schedule, None);
    }

    #[test]
    fn what_is_no_schedule_is_refused_with_line_and_key() {
        let no_time = "s.toml:8: schedule.at: `3:15`: must be a time from 00:00 to 23:59";
        for (table, message) in [
            ("", "s.toml:7: schedule: set `every` or `at`"),
            (
                "every = '6h'\nat = '03:15'",
                "s.toml:9: schedule.at: not valid together with `every`",
            ),
            ("every = '0s'", "s.toml:8: schedule.every: must be a duration from 1s to 366d"),
            ("every = '6h'\ndays = ['mon']", "s.toml:9: schedule.days: not valid here"),
            ("every = '6h'\ntimezone = 'UTC'", "s.toml:9: schedule.timezone: not valid here"),
            ("at = ['3:15']", no_time),
            ("at = ['24:00']", "schedule.at: `24:00`: must be a time"),
            ("at = ['+3:15']", "schedule.at: `+3:15`: must be a time"),
            ("at = []", "s.toml:8: schedule.at: is empty"),
            ("at = '03:15'\ndays = ['Monday']", "s.toml:9: schedule.days: `Monday`: must be mon,"),
            ("at = '03:15'\ndays = []", "s.toml:9: schedule.days: is empty"),
            (
                "at = '03:15'\ntimezone = 'Berlin'",
                "schedule.timezone: `Berlin` is not a known time",
            ),
            ("cron = '15 3 * * *'", "s.toml:8: schedule.cron: unknown field"),
        ] {
            let error = schedule(table).unwrap_err();
            assert!(error.contains(message), "{table}: {error}");
        }
    }

    #[test]
    fn a_schedule_says_how_often_sweeps_are_expected_and_changes_no_digest() {
        let every = |tables: &str| site(tables).unwrap().settings().expect.every_s;
        assert_eq!(every("[schedule]\nevery = '6h'"), Some(21_600));
        assert_eq!(every("[schedule]\nat = ['06:00', '18:00']"), Some(43_200));
        assert_eq!(every("[schedule]\nevery = '6h'\n[expect]\nmin_items = 1"), Some(21_600));
        assert_eq!(every("[schedule]\nevery = '6h'\n[expect]\nevery = '1h'"), Some(3_600));
        let (with, without) = (site("[schedule]\nevery = '6h'").unwrap(), site("").unwrap());
        assert_eq!(with.definition(), without.definition());
        assert_eq!(with.rules(), without.rules());
    }
}
