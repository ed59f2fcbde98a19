//! Hosts to which redirects are followed, by the purpose of a request.

/// Maximum number of redirects that are followed in a row.
const MOST_REDIRECTS: usize = 10;
/// Maximum number of redirects in a row for robots.txt, as RFC 9309 asks for.
const MOST_REDIRECTS_OF_RULES: usize = 5;

/// Hosts to which redirects are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The site's own origin, and the hosts that the site file allows.
    Site,
    /// The same, for a login: the user asked for it, so that robots.txt, which is for crawlers, does
    /// not apply.
    Login,
    /// Any host that is not in a private network. For robots.txt, whose owner may keep it elsewhere
    /// (RFC 9309, 2.3.1.2). Headers and credentials of the site are not sent there.
    Anywhere,
}

impl Reach {
    /// Returns the maximum number of redirects in a row.
    pub fn most_redirects(self) -> usize {
        match self {
            Reach::Site | Reach::Login => MOST_REDIRECTS,
            Reach::Anywhere => MOST_REDIRECTS_OF_RULES,
        }
    }
}
