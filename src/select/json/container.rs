//! Container of the items of a page: `$.items` for `$.items[*]`.

use bson::raw::RawBsonRef;

use super::route::{Pick, Segment};
use super::{Selector, children, named};

/// Path of the container of everything that a selector selects.
#[derive(Debug, Clone, Copy)]
pub struct Container<'s>(&'s [Segment]);

impl Selector {
    /// Returns the container of everything that the path selects, or `None` if it has no fixed
    /// place or the path selects a single value.
    pub fn container(&self) -> Option<Container<'_>> {
        let segments = self.route.0.as_slice();
        let fixed = segments.iter().take_while(|segment| step(segment).is_some()).count();
        let (fixed, several) = segments.split_at(fixed);
        several.first().filter(|segment| !segment.descends).map(|_| Container(fixed))
    }

    /// Returns the place of what the path selects if that is a single value, else the container.
    pub fn source(&self) -> Option<Container<'_>> {
        let segments = self.route.0.as_slice();
        let is_fixed = segments.iter().all(|segment| step(segment).is_some());
        if is_fixed { Some(Container(segments)) } else { self.container() }
    }
}

impl Container<'_> {
    /// Returns `true` if the container is the whole page.
    pub fn is_root(self) -> bool {
        self.0.is_empty()
    }

    /// Returns the container's value, or `None` if the page lacks it.
    pub fn of(self, page: RawBsonRef<'_>) -> Option<RawBsonRef<'_>> {
        at(page, self.0)
    }

    /// Returns the objects on the way from the page to the container, the innermost first and without
    /// the page itself.
    pub fn holders(self, page: RawBsonRef<'_>) -> impl Iterator<Item = RawBsonRef<'_>> {
        let depths = (1..self.0.len()).rev();
        depths.filter_map(move |depth| at(page, self.0.get(..depth)?))
    }
}

/// Returns the pick if the segment picks exactly one member or element, else `None`.
fn step(segment: &Segment) -> Option<&Pick> {
    match segment.picks.as_slice() {
        [pick @ (Pick::Name(_) | Pick::At(0..))] if !segment.descends => Some(pick),
        _ => None,
    }
}

fn at<'a>(page: RawBsonRef<'a>, segments: &[Segment]) -> Option<RawBsonRef<'a>> {
    segments.iter().try_fold(page, |value, segment| match (step(segment)?, value) {
        (Pick::Name(name), RawBsonRef::Document(object)) => named(object, name),
        (Pick::At(at), RawBsonRef::Array(_)) => children(value).nth(usize::try_from(*at).ok()?),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::document::Json;

    /// Returns whether the page has the container of a path, or `None` if the path has no fixed one.
    fn has(path: &str, page: &str) -> Option<bool> {
        let selector = Selector::parse(path).unwrap();
        let page = Json::parse(page.as_bytes()).unwrap();
        selector.container().map(|container| container.of(page.value()).is_some())
    }

    #[test]
    fn l10_the_container_of_a_path_is_what_stands_before_the_step_that_selects_several() {
        let page = r#"{"items":[],"a":{"b":[{"c":[]}]},"odd name":{}}"#;
        for (path, there) in [
            ("$.items[*]", Some(true)),
            ("$.items.*", Some(true)),
            ("$.items[?@.x == 1]", Some(true)),
            ("$.items[0:3]", Some(true)),
            ("$['odd name'][*]", Some(true)),
            ("$.a.b[0].c[*].node", Some(true)),
            ("$.a.b[1].c[*]", Some(false)),
            ("$.none[*]", Some(false)),
            ("$[*]", Some(true)),
            ("$.items", None),
            ("$..items[*]", None),
        ] {
            assert_eq!(has(path, page), there, "{path}");
        }
    }
}
