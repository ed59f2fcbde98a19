//! Lists that are asked only for what changed, since a time that is the same for a whole sweep.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::fmt::strtime;

use super::request::{BodyTemplate, RequestTemplate};
use super::rules::IndexRules;
use super::template::{JsonTemplate, Placeholder, Template};
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

    /// Returns a time as the site writes it, or `None` if it cannot be written.
    fn text(&self, since: Timestamp) -> Option<String> {
        strtime::format(&*self.format, since).ok()
    }
}

/// Puts the time since which a list is asked for what changed into all its requests. Without a time
/// the entries that contain it are left out.
pub fn bind(rules: &mut IndexRules, since: Option<Timestamp>) {
    let Some(own) = &rules.since else { return };
    let value = since.and_then(|since| own.text(since));
    let (placeholder, value) = (&Since::placeholder(), value.as_deref());
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
