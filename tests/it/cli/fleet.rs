//! Schedules of site files.

use serde_json::{Value, json};

use super::check::{checked, file, says};
use crate::served::{Answer, Served};

const LIST: &str = "[index]\nurl = \"/list\"\nitems = \"$.rows[*]\"\nkey = \"$.id\"\n";

#[test]
fn the_schedule_is_shown_by_check_with_the_next_start() {
    let served = Served::start(|_| Answer::json(&json!({ "rows": [{ "id": 1 }, { "id": 2 }] })));
    let at = "[schedule]\nat = ['03:15']\ntimezone = 'Europe/Berlin'\ndays = ['mon', 'fri']\n";
    let ended = checked(&file(&format!("{LIST}{at}")), served.url(), &[]).with(0);
    says(&ended, &["schedule at 03:15 Europe/Berlin on mon, fri; next on 20", "at 03:15 CE"]);
    let every = file(&format!("{LIST}[schedule]\nevery = '6h'\n"));
    let facts = checked(&every, served.url(), &["--json"]).with(0).out;
    let facts: Value = serde_json::from_str(&facts).expect("JSON");
    assert_eq!(facts["schedule"], "every 6h");
    let both = file(&format!("{LIST}[schedule]\nevery = '6h'\nat = ['03:15']\n"));
    checked(&both, served.url(), &[]).with(2).tells(&["mine.toml:9: schedule.at: not valid"]);
}
