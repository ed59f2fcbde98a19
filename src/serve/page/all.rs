//! The page of all sites: what needs attention, what runs, and each site in a row.

use jiff::Timestamp;
use maud::{Markup, html};

use super::{Frame, chart, part, site};
use crate::model::text::plain;
use crate::serve::answer::Answer;
use crate::serve::overview::{Overview, SiteStatus};
use crate::serve::watcher::Look;
use crate::sweep::expect::SiteState;

/// States in the order of the summary.
const STATES: [SiteState; 6] = [
    SiteState::Failing,
    SiteState::Stale,
    SiteState::Suspect,
    SiteState::Incomplete,
    SiteState::Running,
    SiteState::Fine,
];

/// Answers with the page.
pub fn all(look: &Look) -> Answer {
    let main = html! {
        h1 { "Sites" }
        @match &look.overview {
            Some(overview) if overview.sites.is_empty() => (no_sites()),
            Some(overview) => (sites(overview)),
            None => {}
        }
    };
    let wrong = look.overview.iter().flat_map(|overview| &overview.sites);
    let wrong = wrong.filter(|site| !site.state.is_fine()).count();
    let title = if wrong > 0 { format!("({wrong}) Sites") } else { "Sites".to_owned() };
    Frame { title: &title, crumbs: &[], look: Some(look) }.show(&main)
}

fn no_sites() -> Markup {
    html! {
        section #none.empty {
            h2 { "No sweeps yet" }
            p { "This store holds no sweep of any site. The first crawl into it appears here by itself:" }
            pre { code { "gleaner crawl mysite.toml --store URL" } }
        }
    }
}

fn sites(overview: &Overview) -> Markup {
    // The worst first: on a wall, the top is read.
    let mut sites: Vec<&SiteStatus> = overview.sites.iter().collect();
    sites.sort_by_key(|site| site.state);
    let wrong: Vec<&SiteStatus> =
        sites.iter().filter(|it| !it.alerts.is_empty()).copied().collect();
    let running: Vec<&SiteStatus> =
        sites.iter().filter(|it| it.running.is_some()).copied().collect();
    html! {
        ul #summary.summary aria-label="Sites by state" {
            @for state in STATES {
                @let number = sites.iter().filter(|site| site.state == state).count();
                @if number > 0 { li class=(state.name()) { strong { (number) } " " (state.name()) } }
            }
        }
        @if !wrong.is_empty() {
            section #attention aria-labelledby="attention-title" {
                h2 #attention-title { "Needs attention" }
                ul.cards { @for site in wrong { li class={ "card " (site.state.name()) } { (attention(site, overview.at)) } } }
            }
        }
        @if !running.is_empty() {
            section #running aria-labelledby="running-title" {
                h2 #running-title { "Running" }
                ul.cards {
                    @for site in running {
                        @if let Some(running) = &site.running {
                            li.card.running {
                                h3 { a href=(part::site_path(&site.id)) { (part::name(&site.id)) } }
                                (site::progress(&part::name(&site.id), running))
                            }
                        }
                    }
                }
            }
        }
        section #sites aria-labelledby="sites-title" {
            h2 #sites-title { "All sites" }
            div.wide tabindex="0" role="region" aria-labelledby="sites-title" { (table(&sites, overview.at)) }
        }
    }
}

fn attention(site: &SiteStatus, now: Timestamp) -> Markup {
    html! {
        h3 {
            a href=(part::site_path(&site.id)) { (part::name(&site.id)) }
            " " (part::state_since(site, now))
        }
        (site::alerts(site, now))
    }
}

fn table(sites: &[&SiteStatus], now: Timestamp) -> Markup {
    html! {
        table {
            caption { "Counts are those of the last complete sweep; bars are the items listed by the last 30 sweeps" }
            thead {
                tr {
                    th scope="col" { "Site" }
                    th scope="col" { "State" }
                    th.number scope="col" { "Complete" }
                    th.number scope="col" { "Items" }
                    th.number.more scope="col" { "New" }
                    th.number.more scope="col" { "Changed" }
                    th.number.more scope="col" { "Gone" }
                    th.trend scope="col" { "Last sweeps" }
                }
            }
            tbody { @for site in sites { (row(site, now)) } }
        }
    }
}

fn row(site: &SiteStatus, now: Timestamp) -> Markup {
    let last = site.last_complete.as_ref();
    let items = last.and_then(|row| row.items.as_ref());
    html! {
        tr {
            th scope="row" { a href=(part::site_path(&site.id)) { (plain(&site.id.site)) }
                @if site.id.site != site.id.collection { " " span.collection { (plain(&site.id.collection)) } }
            }
            td { (part::state_since(site, now)) }
            td.number {
                @match last {
                    Some(row) => { (part::ago(row.ended_at.unwrap_or(row.started_at), now)) " ago" }
                    None => "never",
                }
            }
            td.number { (part::number(last.and_then(|row| row.listed))) }
            td.number.more { (part::number(items.map(|it| it.new))) }
            td.number.more { (part::number(items.map(|it| it.changed))) }
            td.number.more { (part::number(items.map(|it| it.gone))) }
            td.trend { (chart::sparkline(&site.sweeps)) }
        }
    }
}
