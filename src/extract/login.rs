//! Logs in by the rules of a site file: reads the values of a session from the responses to its
//! requests.

use std::sync::Arc;

use serde_json::Value;
use url::Url;

use super::{PageError, opened, said};
use crate::fetch::{Login, LoginState, Page, SessionRules};
use crate::select::text::plain;
use crate::select::{COMMA, Finds, Format, Select};
use crate::site::settings::Settings;
use crate::site::{NamedValue, Reading, Said, Session, Site, Taken};

/// Values that mean that there is none.
const NO: [&str; 5] = ["null", "false", "0", "\"\"", "\"0\""];

/// A login by the rules of a site file.
#[derive(Debug)]
struct SiteLogin {
    base: Url,
    session: Session,
}

/// Returns the rules for the sessions of a site, or `None` if it has none.
pub fn sessions(site: &Site, settings: &Settings) -> Option<SessionRules> {
    let session = site.own.session.clone()?;
    Some(SessionRules {
        again: session.again.clone(),
        cookies: session.cookies,
        retries: settings.pace.retries,
        scrubber: settings.scrubber.clone(),
        login: Arc::new(SiteLogin { base: site.base_url.clone(), session }),
    })
}

impl Login for SiteLogin {
    fn after(&self, pages: &[Page]) -> Result<LoginState, String> {
        let mut values: Vec<NamedValue> = Vec::new();
        for (step, page) in self.session.steps.iter().zip(pages) {
            for taken in &step.take {
                values.push((taken.name.clone(), value(taken, page)?));
            }
        }
        let step = self.session.steps.get(pages.len());
        let next = step.map(|step| step.request(&self.base, &values)).transpose();
        let headers = self.session.headers(&values).map_err(|error| error.to_string())?;
        let secrets = values.iter().filter_map(|(_, json)| plain(json)).map(Into::into).collect();
        Ok(LoginState { headers, secrets, next: next.map_err(|error| error.to_string())? })
    }
}

/// Returns a value of a response as JSON text.
///
/// # Errors
/// Returns what is wrong with the response: most likely the login was refused with status 200.
fn value(taken: &Taken, page: &Page) -> Result<Box<str>, String> {
    let Taken { name, from } = taken;
    let place = from.text();
    let found = found(from, page).map_err(|error| format!("the value `{name}`: {error}"))?;
    match found.filter(|json| !NO.contains(&&**json)) {
        None => Err(format!(
            "the answer has no value `{name}` at `{place}`: the login was refused, or the selector is wrong"
        )),
        Some(json) if plain(&json).is_none() => {
            Err(format!("the value `{name}` at `{place}` is neither a text nor a number"))
        }
        Some(json) => Ok(json),
    }
}

fn found(from: &Said, page: &Page) -> Result<Option<Box<str>>, PageError> {
    match from {
        Said::Field(rule) => {
            let is_json = match &rule.select {
                Select::Json(_) => true,
                Select::Css(_) => false,
                Select::Steps(steps) => steps.reads() == Finds::Values,
            };
            let format = if is_json { Format::Json } else { Format::Html };
            let reading = Reading { format, delimiter: COMMA, within: None };
            opened::open(&reading, page, |scope| said::value(from, page, scope)).map(|(it, _)| it)
        }
        Said::Header { name, regex } => {
            let text = said::in_header(name, regex.as_ref(), page)?;
            Ok(text.map(|text| Value::from(text).to_string().into()))
        }
    }
}
