//! The site of one sweep: lists that are asked only for what changed.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::fmt::strtime;

use super::Site;
use super::request::{BodyTemplate, RequestTemplate};
use super::rules::IndexRules;
use super::template::{JsonTemplate, Placeholder, Template};
use crate::model::report::Kind;
use crate::sweep::incremental::Incremental;

/// Name of the placeholder for the time.
const NAME: &str = "since";

/// How a list is asked for what changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since {
    /// How the site writes times, in the notation of `strftime`.
    pub format: Box<str>,
    /// When everything is listed instead, and how much is asked for again.
    pub incremental: Incremental,
}

impl Since {
    /// Returns the placeholder for the time.
    pub(super) fn placeholder() -> Placeholder {
        Placeholder::Named(Arc::from(NAME))
    }

    fn text(&self, since: Timestamp) -> Option<String> {
        strtime::format(&*self.format, since).ok()
    }
}

impl Site {
    /// Returns how the site is swept incrementally, or `None` if each sweep lists everything.
    pub fn incremental(&self) -> Option<Incremental> {
        self.index.since.as_ref().map(|since| since.incremental)
    }

    /// Returns the site as a sweep of this kind requests it: `{since}` is the time since which a
    /// partial sweep lists what changed. In other sweeps the entries with it are left out.
    pub fn of_sweep(mut self, kind: Kind) -> Site {
        if let Some(rules) = &self.index.since {
            let since = kind.since().and_then(|since| rules.text(since));
            bind(&mut self.index, &Since::placeholder(), since.as_deref());
        }
        self
    }
}

/// Replaces a placeholder in all requests of a list by its value, or leaves out the entries with it.
fn bind(rules: &mut IndexRules, placeholder: &Placeholder, value: Option<&str>) {
    let others = [&mut rules.first, &mut rules.later].into_iter().flatten();
    for request in others.map(|it| &mut **it).chain([&mut rules.request]) {
        bind_request(request, placeholder, value);
    }
}

fn bind_request(request: &mut RequestTemplate, placeholder: &Placeholder, value: Option<&str>) {
    fn pairs<N>(entries: &mut Vec<(N, Template)>, bound: impl Fn(&Template) -> Option<Template>) {
        let all = std::mem::take(entries).into_iter();
        *entries = all.filter_map(|(name, it)| Some((name, bound(&it)?))).collect();
    }
    let bound = |template: &Template| template.bound(placeholder, value);
    pairs(&mut request.query, bound);
    pairs(&mut request.headers, bound);
    match &mut request.body {
        None => {}
        Some(BodyTemplate::Form(form)) => pairs(form, bound),
        Some(BodyTemplate::Json(json)) => {
            let left = json.bound(placeholder, value);
            *json = left.unwrap_or(JsonTemplate::Object(Vec::new()));
        }
    }
}
