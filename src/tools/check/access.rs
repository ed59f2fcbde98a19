//! Access that a site file needs: hosts, files and headers. The file may come from somebody else,
//! so this is shown before the first request.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use serde::Serialize;

use super::text::row;
use crate::fetch::Header;
use crate::model::text::counted;
use crate::site::Site;
use crate::sweep::expect::Expectations;

/// Hosts, files, headers and secrets that a site file uses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Access {
    /// Hosts that may receive requests, the site's own first. With their ports if these are not the
    /// default.
    pub hosts: Vec<String>,
    /// Files to read; `-` is standard input.
    pub files: Vec<String>,
    /// Site whose keys are read from the store and sent, as the seeds of this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seeds: Option<Box<str>>,
    /// Names of headers sent in addition to the usual ones, by host.
    pub headers: BTreeMap<String, BTreeSet<String>>,
    /// Names of the variables with secrets that are sent, by host.
    pub secrets: BTreeMap<String, BTreeSet<String>>,
    /// Expectations of each sweep.
    #[serde(skip_serializing_if = "Expectations::is_default")]
    pub expect: Expectations,
}

impl Access {
    /// Returns the access that `site` needs. `given` are the headers that the user adds to
    /// requests.
    pub fn of(site: &Site, given: &[Header]) -> Access {
        let home = site.home();
        let own = place(&home.site);
        let mut hosts = vec![own.clone()];
        hosts.extend(home.hosts.iter().map(ToString::to_string));
        let mut seen = BTreeSet::new();
        hosts.retain(|host| seen.insert(host.clone()));
        let mut secrets = BTreeMap::<String, BTreeSet<String>>::new();
        let mut headers = BTreeMap::<String, BTreeSet<String>>::new();
        let mut send = |host: String, name: &str| {
            // A header for another host is not sent at all.
            if seen.contains(&host) {
                headers.entry(host).or_default().insert(name.to_ascii_lowercase());
            }
        };
        for template in site.requests() {
            let host = template.host().map_or_else(|| own.clone(), String::from);
            template.headers.iter().for_each(|(name, _)| send(host.clone(), name.as_str()));
            let names = template.variables().map(|it| it.name().to_owned());
            secrets.entry(host).or_default().extend(names);
        }
        if let Some(session) = &site.own.session {
            session.header_names().for_each(|name| send(own.clone(), name));
            let names = session.variables().map(|it| it.name().to_owned());
            secrets.entry(own.clone()).or_default().extend(names);
        }
        secrets.retain(|_, names| !names.is_empty());
        for Header { origin, name, .. } in given {
            send(origin.as_ref().map_or_else(|| own.clone(), place), name);
        }
        if !home.site.username().is_empty() || home.site.password().is_some() {
            send(own, "authorization");
        }
        Access {
            hosts,
            seeds: site.parent().map(Into::into),
            files: site.keys_file().into_iter().map(ToOwned::to_owned).collect(),
            headers,
            secrets,
            expect: site.own.expect.clone(),
        }
    }
}

fn place(url: &url::Url) -> String {
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    format!("{}{port}", url.host_str().unwrap_or_default())
}

impl Display for Access {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        row(f, "requests", &self.hosts.join(", "))?;
        if !self.files.is_empty() {
            row(f, "reads", &self.files.join(", "))?;
        }
        if let Some(parent) = &self.seeds {
            row(f, "seeds", &format!("the keys of all items of {parent}, read from the store"))?;
        }
        for (host, names) in &self.headers {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            row(f, "sends", &format!("{} to {host}", names.join(", ")))?;
        }
        for (host, names) in &self.secrets {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            row(f, "secrets", &format!("{} to {host}", names.join(", ")))?;
        }
        if !self.expect.is_default() {
            row(f, "expects", &expected(&self.expect))?;
        }
        Ok(())
    }
}

/// Returns what is expected of each sweep, in words.
fn expected(expect: &Expectations) -> String {
    let Expectations { every_s, fresh_s, min_items, max_drop, fields } = expect;
    let time =
        |seconds: &u64| humantime::format_duration(Duration::from_secs(*seconds)).to_string();
    let every = every_s.as_ref().map(|it| format!("a sweep every {}", time(it)));
    let fresh = fresh_s.as_ref().map(|it| format!("a complete one within {}", time(it)));
    let items = min_items.map(|it| format!("at least {}", counted(it, "item", "items")));
    let drop = max_drop.map(|it| format!("a drop of at most {it} %"));
    let fields = fields.iter().map(|(name, share)| format!("{name} on {share} % of the items"));
    let all = [every, fresh, items, drop].into_iter().flatten().chain(fields);
    all.collect::<Vec<_>>().join(", ")
}
