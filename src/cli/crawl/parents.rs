//! Sites whose items are the seeds of others: which may be read, and in what order they are crawled.
//!
//! A site file may come from somebody else. If it could name any site, it could have the keys of another
//! collection sent to any host. So seeds are read only from a site that is crawled by the same command,
//! or that the user names.

use std::collections::HashMap;

use super::session::Job;
use crate::cli::arguments::RunArgs;
use crate::cli::exit::Exit;
use crate::cli::logging;
use crate::cli::streams::print_message;
use crate::cli::usage::{refused, wrong};
use crate::engine::parent::Parent;
use crate::site::Site;
use crate::store::{Place, StoreUrl, is_valid_name};

/// Finds the parent of each site, or `None` where the seeds are not the items of another.
///
/// # Errors
/// Returns the exit code, after printing which parent may not be read.
pub fn of(
    sites: &[Site],
    arguments: &RunArgs,
    url: &StoreUrl,
) -> Result<Vec<Option<Parent>>, Exit> {
    let named = arguments.allow_seeds.iter().map(|name| allowed(name));
    let named = named.collect::<Result<Vec<Place>, Exit>>()?;
    let mut parents = Vec::with_capacity(sites.len());
    for (at, site) in sites.iter().enumerate() {
        let Some(name) = site.parent() else {
            parents.push(None);
            continue;
        };
        if let StoreUrl::JsonLines(_) = url {
            let message = format!(
                "the seeds of {} are read from the store, and JSON lines cannot be read back; use SQLite or MongoDB",
                site.name
            );
            return Err(wrong("--store", "GLEANER_STORE", &message));
        }
        let before = sites.iter().take(at).find(|other| *other.name == *name).map(place);
        let is_after = || sites.iter().skip(at).any(|other| *other.name == *name);
        let place = match before.or_else(|| named.iter().find(|it| *it.site == *name).cloned()) {
            Some(place) => place,
            None if is_after() => {
                let message = format!(
                    "the seeds of {} are the items of {name}: name {name} first",
                    site.name
                );
                return Err(refused("SITE", &message));
            }
            None => {
                let message = format!(
                    "the seeds of {} are the items of {name}, whose keys are sent to {}: name the site file of {name} before it, or allow that with --allow-seeds {name}",
                    site.name,
                    site.base_url.host_str().unwrap_or_default()
                );
                return Err(refused("SITE", &message));
            }
        };
        parents.push(Some(Parent { url: url.clone(), place }));
    }
    Ok(parents)
}

/// Returns site and collection for a value of `--allow-seeds`.
fn allowed(text: &str) -> Result<Place, Exit> {
    if text.contains('/') || text.ends_with(".toml") {
        let site = Site::load(text);
        return site.map(|site| place(&site)).map_err(|error| {
            print_message(&format!("error: {error}\n"));
            Exit::Usage
        });
    }
    if !is_valid_name(text) {
        let message = "not the name of a site, nor the path of a site file";
        return Err(wrong("--allow-seeds", "GLEANER_ALLOW_SEEDS", message));
    }
    Ok(Place { site: text.into(), collection: text.into(), key_field: None, adopt: false })
}

fn place(site: &Site) -> Place {
    Place {
        site: site.name.clone(),
        collection: site.collection.clone(),
        key_field: site.key_field(),
        adopt: false,
    }
}

/// Sites of a command whose runs failed, with the reason: their children are skipped.
#[derive(Debug, Default)]
pub struct Failed(HashMap<Box<str>, &'static str>);

impl Failed {
    /// Notes how the run of a site ended.
    pub fn note(&mut self, job: &Job, exit: Exit) {
        if !matches!(exit, Exit::Complete | Exit::Incomplete) {
            self.0.insert(job.site.name.clone(), exit.means());
        }
    }

    /// Returns true if a site is skipped since its parent failed. Logs that.
    pub fn skips(&mut self, job: &Job) -> bool {
        let Some(parent) = job.parent.as_ref().map(|it| &it.place.site) else { return false };
        let Some(why) = self.0.get(parent) else { return false };
        let name = &job.site.name;
        logging::caution(&format!(
            "{name} is skipped: its seeds are the items of {parent}, and {why}"
        ));
        self.0.insert(name.clone(), "its sweep was skipped");
        true
    }
}
