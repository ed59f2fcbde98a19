//! The paths of the server, and what is found there.

use std::sync::Arc;

use hyper::StatusCode;
use hyper::http::request::Parts;
use percent_encoding::percent_decode_str;
use url::form_urlencoded;

use super::Fleet;
use super::answer::Answer;
use super::guard::Guard;
use super::overview::SiteStatus;
use super::watcher::{Look, Watcher};
use super::{api, metrics, page};
use crate::store::StoreError;

/// Beginning of the paths of the JSON API.
const API: [&str; 2] = ["api", "v1"];

/// Answers requests.
pub struct Routes {
    guard: Guard,
    watcher: Arc<Watcher>,
    fleet: Option<Arc<Fleet>>,
}

/// The thing that a path leads to.
#[derive(Debug, PartialEq, Eq)]
enum Subject<'a> {
    /// All sites.
    All,
    /// A site.
    Site(&'a str),
    /// A sweep of a site.
    Sweep(&'a str, &'a str),
}

/// Form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Page,
    Json,
}

/// Reason why a request has no answer, with its status.
pub type Failed = (StatusCode, String);

impl Routes {
    /// Creates the routes of a server.
    pub fn new(guard: Guard, watcher: Arc<Watcher>, fleet: Option<Arc<Fleet>>) -> Routes {
        Routes { guard, watcher, fleet }
    }

    /// Answers a request.
    pub async fn answer(&self, request: &Parts) -> Answer {
        if let Some(refusal) = self.guard.refuse(request) {
            return refusal;
        }
        let uri = &request.uri;
        let path = uri.path().strip_prefix('/').unwrap_or_default();
        let segments: Option<Vec<String>> = path.split('/').map(decoded).collect();
        let segments = segments.unwrap_or_default();
        let segments: Vec<&str> = segments.iter().map(|segment| &**segment).collect();
        match segments[..] {
            ["style.css"] => page::style(),
            ["refresh.js"] => page::script(),
            ["icon.svg"] => page::icon(),
            ["metrics"] => metrics::all(&self.watcher, &*self.watcher.look().await).await,
            ["api", "v1", "openapi.json"] => api::description(),
            ["healthz"] => Answer::text(StatusCode::OK, "ok"),
            ["readyz"] => self.ready().await,
            ["fleet"] => self.fleet(Form::Page),
            ["api", "v1", "fleet"] => self.fleet(Form::Json),
            _ => match subject(&segments) {
                Some((form, subject)) => {
                    let collection = collection(uri.query().unwrap_or_default());
                    self.show(form, &subject, collection.as_deref()).await
                }
                None => {
                    let form =
                        if segments.starts_with(&API[..1]) { Form::Json } else { Form::Page };
                    form.fail((StatusCode::NOT_FOUND, "There is nothing here.".to_owned()))
                }
            },
        }
    }

    /// Shows the fleet.
    fn fleet(&self, form: Form) -> Answer {
        match (&self.fleet, form) {
            (Some(fleet), Form::Page) => page::fleet(&fleet.view()),
            (Some(fleet), Form::Json) => Answer::json(&*fleet.view()),
            (None, form) => {
                let why = "This server runs no sites: it was started without a folder of them.";
                form.fail((StatusCode::NOT_FOUND, why.to_owned()))
            }
        }
    }

    /// Says whether the store can be read.
    async fn ready(&self) -> Answer {
        match &self.watcher.look().await.trouble {
            None => Answer::text(StatusCode::OK, "ok"),
            Some(trouble) => Answer::text(StatusCode::SERVICE_UNAVAILABLE, trouble),
        }
    }

    async fn show(&self, form: Form, subject: &Subject<'_>, collection: Option<&str>) -> Answer {
        let look = self.watcher.look().await;
        let shown = match *subject {
            Subject::All => Ok(match form {
                Form::Page => page::all(&look),
                Form::Json => api::all(&look),
            }),
            Subject::Site(name) => match site(&look, name, collection) {
                Ok(site) => self.site(form, &look, site).await,
                Err(failed) => Err(failed),
            },
            Subject::Sweep(name, id) => match site(&look, name, collection) {
                Ok(site) => self.sweep(form, &look, site, id).await,
                Err(failed) => Err(failed),
            },
        };
        shown.unwrap_or_else(|failed| form.fail(failed))
    }

    async fn site(&self, form: Form, look: &Look, site: &SiteStatus) -> Result<Answer, Failed> {
        let detail = self.watcher.detail(look, &site.id).await.map_err(|error| away(&error))?;
        Ok(match form {
            Form::Page => {
                let running = site.running.as_ref();
                let moments = running.map(|running| self.watcher.moments(&running.sweep));
                page::site(look, site, &detail, &moments.unwrap_or_default())
            }
            Form::Json => api::site(site, &detail),
        })
    }

    async fn sweep(
        &self,
        form: Form,
        look: &Look,
        site: &SiteStatus,
        id: &str,
    ) -> Result<Answer, Failed> {
        let found = self.watcher.sweep(look, &site.id, id).await.map_err(|error| away(&error))?;
        let name = &site.id.site;
        let none = || (StatusCode::NOT_FOUND, format!("{name} has no sweep {id}."));
        let entry = found.ok_or_else(none)?;
        Ok(match form {
            Form::Page => page::sweep(look, site, &entry),
            Form::Json => api::sweep(&entry),
        })
    }
}

impl Form {
    fn fail(self, (status, why): Failed) -> Answer {
        match self {
            Form::Page => page::failed(status, &why),
            Form::Json => Answer::trouble(status, &why),
        }
    }
}

/// Returns what a path leads to, or `None` if it leads nowhere.
fn subject<'a>(segments: &[&'a str]) -> Option<(Form, Subject<'a>)> {
    let (form, rest) = match segments.strip_prefix(&API[..]) {
        Some(rest) => (Form::Json, rest),
        None => (Form::Page, segments),
    };
    let subject = match (form, rest) {
        (Form::Page, [""]) | (Form::Json, ["status"]) => Subject::All,
        (_, ["sites", name]) => Subject::Site(name),
        (_, ["sites", name, "sweeps", id]) => Subject::Sweep(name, id),
        _ => return None,
    };
    Some((form, subject))
}

/// Finds a site by its name. Its collection must be named if there are several and none has the
/// site's name.
fn site<'a>(
    look: &'a Look,
    name: &str,
    collection: Option<&str>,
) -> Result<&'a SiteStatus, Failed> {
    let named = look.named(name);
    let wanted = collection.unwrap_or(name);
    let exact = named.iter().find(|site| *site.id.collection == *wanted);
    match (exact, &named[..]) {
        (Some(site), _) => Ok(site),
        (None, [site]) if collection.is_none() => Ok(site),
        (None, [_, _, ..]) if collection.is_none() => {
            let names: Vec<&str> = named.iter().map(|site| &*site.id.collection).collect();
            let names = names.join(", ");
            let why = format!("{name} has several collections: {names}. Add ?collection=NAME.");
            Err((StatusCode::NOT_FOUND, why))
        }
        _ => match (&look.overview, &look.trouble) {
            (None, Some(trouble)) => Err((StatusCode::SERVICE_UNAVAILABLE, trouble.clone())),
            _ => {
                Err((StatusCode::NOT_FOUND, format!("There are no sweeps of {name} in the store.")))
            }
        },
    }
}

fn away(error: &StoreError) -> Failed {
    (StatusCode::SERVICE_UNAVAILABLE, error.to_string())
}

fn decoded(segment: &str) -> Option<String> {
    percent_decode_str(segment).decode_utf8().ok().map(Into::into)
}

fn collection(query: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(name, _)| name == "collection").map(|(_, value)| value.into_owned())
}
