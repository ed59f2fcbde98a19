//! Names by which services describe their lists, as tables. They are compared without case and
//! punctuation, so that `has_more`, `hasMore` and `HasMore` need only one entry.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Meaning of a member for the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Means {
    /// True if the list continues.
    More,
    /// False if the list continues.
    Done,
    /// The next page, or a token for it. The list continues if it is not empty.
    Next,
    /// The number of pages.
    Pages,
    /// True if the page is incomplete.
    Partial,
    /// Not empty if the site failed.
    Error,
    /// False if the site failed.
    Success,
    /// A result code, which differs from the usual one if the site failed.
    Code,
    /// Explains a result, without being one.
    Message,
}

const MORE: [&str; 12] = [
    "hasmore",
    "hasnext",
    "hasnextpage",
    "hasmorepages",
    "hasmoreitems",
    "hasmoreresults",
    "more",
    "moreavailable",
    "morechanges",
    "istruncated",
    "truncated",
    "exceededtransferlimit",
];
const DONE: [&str; 7] = ["isend", "done", "islast", "islastpage", "last", "lastpage", "nomore"];
/// Names of tokens that also occur on last pages are left out (`cursor`, `endCursor`, `bookmark`,
/// `_scroll_id`).
const NEXT: [&str; 26] = [
    "next",
    "nextpage",
    "nextpageurl",
    "nextpagelink",
    "nextpagetoken",
    "nextpagekey",
    "nextlink",
    "odatanextlink",
    "hydranext",
    "nexthref",
    "nexturl",
    "nexturi",
    "nextrecordsurl",
    "nexttoken",
    "nextcursor",
    "nextmarker",
    "nextkey",
    "nextoffset",
    "nextstart",
    "nextcontinuationtoken",
    "continuationtoken",
    "continuation",
    "continue",
    "lastevaluatedkey",
    "resumptiontoken",
    "moretopicsurl",
];
const PAGES: [&str; 11] = [
    "totalpages",
    "totalpage",
    "pagetotal",
    "pagecount",
    "pagescount",
    "numpages",
    "numberofpages",
    "nbpages",
    "lastpage",
    "maxpage",
    "pages",
];
const PARTIAL: [&str; 2] = ["timedout", "incompleteresults"];
const ERROR: [&str; 6] =
    ["error", "errors", "errormessage", "errordescription", "fault", "exception"];
const SUCCESS: [&str; 4] = ["success", "issuccess", "succeeded", "ok"];
const CODE: [&str; 9] = [
    "code",
    "errcode",
    "errorcode",
    "errno",
    "ret",
    "retcode",
    "resultcode",
    "statuscode",
    "status",
];
const MESSAGE: [&str; 15] = [
    "message",
    "messages",
    "msg",
    "detail",
    "details",
    "reason",
    "description",
    "hint",
    "help",
    "timestamp",
    "path",
    "requestid",
    "traceid",
    "retryafter",
    "documentationurl",
];
/// Names of the total number of items, the least ambiguous first.
const COUNTS: [&str; 24] = [
    "total",
    "totalcount",
    "totalresults",
    "totalsize",
    "totalrows",
    "totalitems",
    "totalelements",
    "totalhits",
    "totalrecords",
    "totalrecordcount",
    "recordstotal",
    "itemstotal",
    "hydratotalitems",
    "odatacount",
    "numfound",
    "numresults",
    "nbhits",
    "numbermatched",
    "numberofrecords",
    "resultstotal",
    "searchresultcountall",
    "countall",
    "recordcount",
    "count",
];

static TABLE: LazyLock<HashMap<&str, Vec<Means>>> = LazyLock::new(|| {
    let tables: [(Means, &[&'static str]); 9] = [
        (Means::More, &MORE),
        (Means::Done, &DONE),
        (Means::Next, &NEXT),
        (Means::Pages, &PAGES),
        (Means::Partial, &PARTIAL),
        (Means::Error, &ERROR),
        (Means::Success, &SUCCESS),
        (Means::Code, &CODE),
        (Means::Message, &MESSAGE),
    ];
    let mut all = HashMap::<&str, Vec<Means>>::new();
    for (means, names) in tables {
        names.iter().for_each(|name| all.entry(name).or_default().push(means));
    }
    all
});

/// Length of the longest name in the tables.
const LONGEST: usize = 24;

/// Returns `true` if a member of this name has this meaning. A name may have several, depending on
/// the value.
pub fn says(name: &str, means: Means) -> bool {
    plain(name).is_some_and(|plain| TABLE.get(&*plain).is_some_and(|all| all.contains(&means)))
}

/// Returns the rank of a name in `COUNTS`, or `None`. A lower rank is less ambiguous.
pub fn count_rank(name: &str) -> Option<usize> {
    let plain = plain(name)?;
    COUNTS.iter().position(|count| **count == *plain)
}

/// Returns a name without case and punctuation, or `None` if it is too long for the tables.
pub fn plain(name: &str) -> Option<String> {
    if name.len() > LONGEST + 8 {
        return None;
    }
    let letters =
        name.bytes().filter(|it| !matches!(it, b'_' | b'-' | b'.' | b':' | b'@' | b'$' | b' '));
    let plain: Vec<u8> = letters.map(|it| it.to_ascii_lowercase()).collect();
    String::from_utf8(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l12_a_name_counts_however_it_is_written() {
        for (name, means) in [
            ("has_more", Means::More),
            ("hasMore", Means::More),
            ("HasMore", Means::More),
            ("IsTruncated", Means::More),
            ("_more_changes", Means::More),
            ("is-last", Means::Done),
            ("last_page", Means::Done),
            ("last_page", Means::Pages),
            ("@odata.nextLink", Means::Next),
            ("odata.nextLink", Means::Next),
            ("NextToken", Means::Next),
            ("next_page_url", Means::Next),
            ("totalPages", Means::Pages),
            ("timed_out", Means::Partial),
            ("Error", Means::Error),
            ("error_message", Means::Error),
        ] {
            assert!(says(name, means), "{name}");
        }
        for name in ["next_update", "nextRelease", "cursor", "token", "more_link", "views", "é"] {
            assert!(!says(name, Means::Next) && !says(name, Means::More), "{name}");
        }
        assert!(count_rank("total_count") < count_rank("count"));
        assert_eq!(count_rank("views"), None);
    }

    #[test]
    fn no_name_of_the_tables_is_longer_than_what_is_looked_up() {
        let longest = TABLE.keys().chain(&COUNTS).map(|name| name.len()).max();
        assert!(longest <= Some(LONGEST), "{longest:?}");
        assert!(TABLE.keys().all(|name| plain(name).as_deref() == Some(*name)));
    }
}
