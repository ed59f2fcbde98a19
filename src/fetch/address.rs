//! Guards against redirects and links into private networks.
//!
//! Pages name hosts, and the owner of a host name decides its address. That address may be one
//! behind our own firewall. A host that the site leads to may therefore have a private address only
//! if the site itself has one.
//!
//! - The site's first lookup decides, so that it cannot move to a private address later (DNS
//!   rebinding).
//! - A name with several addresses is private only if all of them are. Otherwise its private
//!   addresses are dropped, so that one public address does not bring private ones along.
//! - Addresses are checked in the lookup for the connection, which then uses one of the remaining
//!   ones.
//!
//! Addresses that the site file itself contains are trusted, and so is a proxy. A proxy that is
//! given host names looks them up itself.

use std::error::Error;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::OnceCell;
use url::{Host, Url};

use super::Home;

/// Function that looks up the addresses of a name.
type Lookup = fn(String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Resolver that drops the addresses that a name may not have.
#[derive(Debug, Clone)]
pub struct Guard(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    site: Option<Host>,
    /// Names of hosts that the site may lead to.
    others: RwLock<Vec<String>>,
    /// True if the site's address is private. Set by the first lookup.
    is_private: OnceCell<bool>,
    lookup: Lookup,
}

/// Error for a name all of whose addresses are private, unlike the site's.
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
    /// Creates the guard of a site.
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
        let others = RwLock::new(others);
        Guard(Arc::new(Rules { site, others, is_private: OnceCell::new(), lookup }))
    }

    /// Returns `true` if a request that the site file does not name may go to `url`: its address
    /// must not be private, unless the site's is. From now on, the host's name is checked in each
    /// lookup.
    pub async fn allows(&self, url: &Url) -> bool {
        if !matches!(url.scheme(), "http" | "https") {
            return false;
        }
        let is_private = match url.host() {
            None => return false,
            Some(Host::Domain(name)) => {
                self.0.judge(name);
                return true;
            }
            Some(Host::Ipv4(address)) => is_private_v4(address),
            Some(Host::Ipv6(address)) => is_private_v6(address),
        };
        !is_private || self.site_is_private().await.unwrap_or(false)
    }

    async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, Box<dyn Error + Send + Sync>> {
        let found = (self.0.lookup)(name.to_owned()).await?;
        let site_is_private = match self.0.is_site(name) {
            true => *self.0.is_private.get_or_init(async || all_private(&found)).await,
            // Any other name is a proxy's.
            false if !self.0.is_judged(name) => return Ok(found),
            false => self.site_is_private().await?,
        };
        if site_is_private {
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

    /// Returns `true` if the site's address is private. Looks it up only once.
    async fn site_is_private(&self) -> io::Result<bool> {
        let Rules { site, is_private: known, lookup, .. } = &*self.0;
        let found = async || match site {
            Some(Host::Ipv4(address)) => Ok(is_private_v4(*address)),
            Some(Host::Ipv6(address)) => Ok(is_private_v6(*address)),
            Some(Host::Domain(name)) => lookup(name.clone()).await.map(|found| all_private(&found)),
            None => Ok(false),
        };
        known.get_or_try_init(found).await.copied()
    }
}

impl Rules {
    fn is_site(&self, name: &str) -> bool {
        matches!(&self.site, Some(Host::Domain(site)) if site == name)
    }

    fn is_judged(&self, name: &str) -> bool {
        let others = self.others.read().unwrap_or_else(PoisonError::into_inner);
        others.iter().any(|other| other == name)
    }

    fn judge(&self, name: &str) {
        if !self.is_judged(name) {
            let mut others = self.others.write().unwrap_or_else(PoisonError::into_inner);
            others.push(name.to_owned());
        }
    }
}

fn all_private(addresses: &[IpAddr]) -> bool {
    !addresses.is_empty() && addresses.iter().all(is_private)
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found = guard.addresses(name.as_str()).await?;
            // The port is taken from the URL.
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

/// Returns `true` if an address is not on the public internet: loopback, link-local, private,
/// shared, test, reserved, multicast, unspecified, or an IPv6 address that contains such an IPv4
/// address.
pub fn is_private(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_private_v4(*address),
        IpAddr::V6(address) => is_private_v6(*address),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    match address.octets() {
        // This network, private, loopback (RFC 6890).
        [0 | 10 | 127, ..] => true,
        // Shared address space (RFC 6598).
        [100, 64..128, ..] => true,
        // Link-local. Clouds keep their metadata service here.
        [169, 254, ..] => true,
        [172, 16..32, ..] | [192, 168, ..] => true,
        // Protocol assignments (RFC 6890), and benchmarks (RFC 2544).
        [192, 0, 0, _] | [198, 18..20, ..] => true,
        // Multicast, reserved, broadcast.
        [224..=255, ..] => true,
        _ => false,
    }
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // Unique local, link-local, site-local (RFC 3879), multicast.
        [0xfc00..0xfe00 | 0xfe80..=0xffff, ..] => true,
        // Local-use NAT64 (RFC 8215).
        [0x64, 0xff9b, 1, ..] => true,
        // IPv4 within IPv6: unspecified, loopback and compatible (RFC 4291);
        // mapped; NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            is_private_v4(carried(high, low))
        }
        // 6to4 (RFC 3056), and Teredo (RFC 4380), which carries its address inverted.
        [0x2002, high, low, ..] => is_private_v4(carried(high, low)),
        [0x2001, 0, .., high, low] => is_private_v4(carried(!high, !low)),
        _ => false,
    }
}

fn carried(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use url::Url;

    use super::*;

    /// Names of a network of the tests' own.
    fn names(name: String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
        static TURN: AtomicU32 = AtomicU32::new(0);
        static ONCE: AtomicU32 = AtomicU32::new(0);
        let found: &[&str] = match name.as_str() {
            "public.test" | "cdn.test" => &["203.0.113.7", "2001:db9::7"],
            "inner.test" | "proxy.test" | "secret.test" => &["10.0.0.7"],
            "both.test" => &["192.168.1.1", "203.0.113.9"],
            "moves.test" if TURN.fetch_add(1, Relaxed) == 0 => &["203.0.113.8"],
            "moves.test" => &["127.0.0.1"],
            "once.test" if ONCE.fetch_add(1, Relaxed) == 0 => &["203.0.113.10"],
            "once.test" => &["127.0.0.1"],
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

    /// One public address does not bring private ones along, neither for the site's own name nor for
    /// the hosts that it may lead to.
    #[tokio::test]
    async fn x4_a_name_with_several_addresses_is_private_only_where_all_of_them_are() {
        let mixed = guard("https://both.test/");
        assert_eq!(resolved(&mixed, "both.test").await.unwrap(), "203.0.113.9 ");
        assert!(resolved(&mixed, "inner.test").await.is_err());
        // The same where another host is asked first.
        let mixed = guard("https://both.test/");
        assert!(resolved(&mixed, "inner.test").await.is_err());
        assert_eq!(resolved(&mixed, "both.test").await.unwrap(), "203.0.113.9 ");
        let inner = guard("https://inner.test:8080/");
        assert_eq!(resolved(&inner, "both.test").await.unwrap(), "192.168.1.1 203.0.113.9 ");
    }

    /// What counts is the lookup by which the connection is made, and no other one.
    #[tokio::test]
    async fn x4_the_site_is_judged_by_the_addresses_that_it_is_connected_to() {
        let guard = guard("http://once.test/");
        assert_eq!(resolved(&guard, "once.test").await.unwrap(), "203.0.113.10 ");
        assert!(resolved(&guard, "inner.test").await.is_err());
        assert!(resolved(&guard, "once.test").await.is_err());
    }

    #[tokio::test]
    async fn w22_hosts_that_nobody_spoke_of_are_private_only_where_the_site_is() {
        let allows = async |site: &str, url: &str| guard(site).allows(&url.parse().unwrap()).await;
        for url in ["http://10.0.0.1/", "http://[::1]:80/", "http://2130706433/", "ftp://1.1.1.1/"]
        {
            assert!(!allows("https://public.test/", url).await, "{url}");
        }
        assert!(allows("https://public.test/", "http://1.1.1.1/robots.txt").await);
        assert!(allows("http://127.0.0.1/", "http://127.0.0.1:81/robots.txt").await);
        let guard = guard("https://public.test/");
        assert!(resolved(&guard, "secret.test").await.is_ok(), "as a proxy");
        assert!(guard.allows(&"http://secret.test/".parse().unwrap()).await);
        assert!(resolved(&guard, "secret.test").await.is_err());
    }

    #[tokio::test]
    async fn w10_a_site_cannot_move_to_a_private_address() {
        let guard = guard("http://moves.test/");
        assert_eq!(resolved(&guard, "moves.test").await.unwrap(), "203.0.113.8 ");
        let moved = resolved(&guard, "moves.test").await.unwrap_err();
        assert!(moved.contains("moves.test is 127.0.0.1"), "{moved}");
    }

    #[test]
    fn w10_x4_addresses_that_are_not_the_internets_are_private() {
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
            "192.0.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "224.0.0.1",
            "240.0.0.1",
            "fec0::1",
            "feff::1",
            "ff02::1",
            "64:ff9b:1::1",
            "64:ff9b:1:ffff::101:101",
            "::127.0.0.1",
            "::192.168.0.1",
            "2001:0:101:101::80ff:fffe",
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
            "192.0.1.1",
            "198.17.255.255",
            "198.20.0.1",
            "223.255.255.255",
            "64:ff9b:2::a00:1",
            "::1.1.1.1",
            "2001:0:101:101::fefe:fefe",
            "2001:1::f5ff:fffe",
        ] {
            assert!(!is_private(&public.parse().unwrap()), "{public}");
        }
    }
}
