//! Which addresses the names of hosts may stand for.
//!
//! Pages name hosts, and whoever holds a host's name decides what address it stands for: also one
//! behind our own firewall. So a host that the site may lead to has to be where the site is: it
//! may stand for a private address only where the site's own name does. What the site's name stands
//! for at first counts, so that it cannot move in afterwards either (DNS rebinding).
//!
//! Addresses that the site file itself writes down are its user's word, and so is a proxy; a proxy
//! that is given host names looks them up by itself.

use std::error::Error;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::OnceCell;
use url::Host;

use super::Home;

/// How a name is looked up.
type Lookup = fn(String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Looks names up, and leaves out what they may not stand for.
#[derive(Debug, Clone)]
pub struct Guard(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    site: Option<Host>,
    /// Names of hosts that the site may lead to.
    others: Vec<String>,
    /// Whether the site is at a private address.
    is_private: OnceCell<bool>,
    lookup: Lookup,
}

/// A name stands only for addresses that it may not stand for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name} is {address}, which is a private address, and the site is not: refused, since a site \
     must not lead into a network of its reader's"
)]
pub struct PrivateAddress {
    name: String,
    address: IpAddr,
}

impl Guard {
    /// The guard of a site.
    pub fn of(home: &Home) -> Guard {
        Guard::with(home, system)
    }

    fn with(home: &Home, lookup: Lookup) -> Guard {
        let site = home.site.host().map(|host| host.to_owned());
        let name = |place: &str| match place.rsplit_once(':') {
            Some((name, _)) => name.to_owned(),
            None => place.to_owned(),
        };
        let others = home.hosts.iter().map(|place| name(place)).collect();
        Guard(Arc::new(Rules { site, others, is_private: OnceCell::new(), lookup }))
    }

    async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, Box<dyn Error + Send + Sync>> {
        let found = (self.0.lookup)(name.to_owned()).await?;
        // Another name is a proxy's.
        let is_led_to = self.0.is_site(name) || self.0.others.iter().any(|other| other == name);
        if !is_led_to || self.site_is_private().await? {
            return Ok(found);
        }
        let (private, public): (Vec<_>, Vec<_>) = found.into_iter().partition(is_private);
        match private.first() {
            Some(address) if public.is_empty() => {
                Err(PrivateAddress { name: name.to_owned(), address: *address }.into())
            }
            _ => Ok(public),
        }
    }

    /// Found out once.
    async fn site_is_private(&self) -> io::Result<bool> {
        let Rules { site, is_private: known, lookup, .. } = &*self.0;
        let found = async || match site {
            Some(Host::Ipv4(address)) => Ok(is_private(&(*address).into())),
            Some(Host::Ipv6(address)) => Ok(is_private(&(*address).into())),
            Some(Host::Domain(name)) => {
                lookup(name.clone()).await.map(|found| found.iter().any(is_private))
            }
            None => Ok(false),
        };
        known.get_or_try_init(found).await.copied()
    }
}

impl Rules {
    fn is_site(&self, name: &str) -> bool {
        matches!(&self.site, Some(Host::Domain(site)) if site == name)
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found = guard.addresses(name.as_str()).await?;
            // The port is the URL's.
            let addresses = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

fn system(name: String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
    Box::pin(async move {
        let found = tokio::net::lookup_host((name, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    })
}

/// Whether an address is of this machine or of a network that is not the internet: loopback,
/// link-local, private, shared, unspecified, or one that carries such an address in it.
pub fn is_private(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_private_v4(*address),
        IpAddr::V6(address) => is_private_v6(*address),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_broadcast()
        || first == 0
        // Shared address space (RFC 6598).
        || first == 100 && (64..128).contains(&second)
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    let [first, second, .., high, low] = address.segments();
    // IPv4 within IPv6: mapped, and NAT64 (RFC 6052).
    let carries = address.to_ipv4_mapped().or_else(|| {
        let is_nat64 = address.octets()[..12] == [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0];
        is_nat64.then(|| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
    });
    // 6to4 (RFC 3056).
    let carries = carries.or_else(|| {
        let third = address.segments()[2];
        (first == 0x2002).then(|| Ipv4Addr::from(u32::from(second) << 16 | u32::from(third)))
    });
    carries.is_some_and(is_private_v4)
        || address.is_loopback()
        || address.is_unspecified()
        || address.is_unique_local()
        || address.is_unicast_link_local()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use url::Url;

    use super::*;

    /// Names of a network of the tests' own.
    fn names(name: String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
        static TURN: AtomicU32 = AtomicU32::new(0);
        let found: &[&str] = match name.as_str() {
            "public.test" | "cdn.test" => &["203.0.113.7", "2001:db9::7"],
            "inner.test" | "proxy.test" => &["10.0.0.7"],
            "both.test" => &["192.168.1.1", "203.0.113.9"],
            "moves.test" if TURN.fetch_add(1, Relaxed) < 2 => &["203.0.113.8"],
            "moves.test" => &["127.0.0.1"],
            _ => return Box::pin(async { Err(io::Error::other("no such host")) }),
        };
        let found = found.iter().map(|text| text.parse().unwrap()).collect();
        Box::pin(async { Ok(found) })
    }

    fn guard(site: &str) -> Guard {
        let hosts = ["cdn.test", "inner.test:8080", "both.test", "lost.test"].map(Into::into);
        Guard::with(&Home { site: Url::parse(site).unwrap(), hosts: hosts.into() }, names)
    }

    async fn resolved(guard: &Guard, name: &str) -> Result<String, String> {
        let found = guard.resolve(name.parse().unwrap()).await;
        let text = |addresses: Addrs| addresses.map(|it| format!("{} ", it.ip())).collect();
        found.map(text).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn w10_names_of_other_hosts_are_private_addresses_only_where_the_site_is() {
        let refused = |found: &Result<String, String>| {
            found.as_ref().is_err_and(|it| it.contains("10.0.0.7, which is a private address"))
        };
        for site in ["https://public.test/", "http://203.0.113.1/", "http://[2001:db9::1]/"] {
            let guard = guard(site);
            assert_eq!(resolved(&guard, "cdn.test").await.unwrap(), "203.0.113.7 2001:db9::7 ");
            assert_eq!(resolved(&guard, "both.test").await.unwrap(), "203.0.113.9 ");
            let inner = resolved(&guard, "inner.test").await;
            assert!(refused(&inner), "{site}: {inner:?}");
            assert_eq!(resolved(&guard, "proxy.test").await.unwrap(), "10.0.0.7 ", "the user's");
            assert_eq!(resolved(&guard, "lost.test").await.unwrap_err(), "no such host");
        }
        for site in ["http://inner.test:8080/", "http://127.0.0.1:80/", "http://[fe80::1]/"] {
            assert_eq!(resolved(&guard(site), "inner.test").await.unwrap(), "10.0.0.7 ", "{site}");
        }
    }

    #[tokio::test]
    async fn w10_a_site_cannot_move_to_a_private_address() {
        let guard = guard("http://moves.test/");
        assert_eq!(resolved(&guard, "moves.test").await.unwrap(), "203.0.113.8 ");
        let moved = resolved(&guard, "moves.test").await.unwrap_err();
        assert!(moved.contains("moves.test is 127.0.0.1"), "{moved}");
    }

    #[test]
    fn w10_addresses_that_are_not_the_internets_are_private() {
        for private in [
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
        ] {
            assert!(is_private(&private.parse().unwrap()), "{private}");
        }
        for public in [
            "1.1.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "169.253.0.1",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2002:101:101::",
        ] {
            assert!(!is_private(&public.parse().unwrap()), "{public}");
        }
    }
}
