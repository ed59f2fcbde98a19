//! The hosts of a running sweep.

use maud::{Markup, html};

use crate::model::text::{count, plain, seconds};
use crate::observe::progress::HostLoad;

/// Shows the hosts as a table. `more` is the number of further hosts.
pub fn table(hosts: &[HostLoad], more: u64) -> Markup {
    html! {
        @if !hosts.is_empty() {
            h3 #hosts-title { "Hosts" }
            div.wide tabindex="0" role="region" aria-labelledby="hosts-title" {
                table {
                    caption { "Requests in flight and their limit; tasks that wait for the host" }
                    thead {
                        tr {
                            th scope="col" { "Host" }
                            th.number scope="col" { "In flight" }
                            th.number scope="col" { "Limit" }
                            th.number scope="col" { "Waiting tasks" }
                            th.number scope="col" { "Interval" }
                            th scope="col" { "Pause" }
                        }
                    }
                    tbody { @for host in hosts { (row(host)) } }
                }
            }
            @if more > 0 { p { "And " (count(more)) " more." } }
        }
    }
}

fn row(host: &HostLoad) -> Markup {
    html! {
        tr {
            th scope="row" { (plain(&host.name)) }
            td.number { (host.in_flight) }
            td.number { (host.limit) }
            td.number { (count(host.parked)) }
            td.number { (host.interval_s.map_or_else(|| "–".to_owned(), |it| format!("{it:.2} s"))) }
            td {
                @if let Some(wait_s) = host.wait_s { (seconds(wait_s)) " " }
                @else { "none" }
                @if let Some(why) = &host.why { (plain(why)) }
            }
        }
    }
}
