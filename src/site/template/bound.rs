//! Placeholders whose values are the same for all requests of a sweep: they are replaced once.

use serde_json::{Number, Value};

use super::{JsonTemplate, Part, Placeholder, Template};

impl Template {
    /// Returns the template with `value` in the place of `placeholder`, or `None` if it contains the
    /// placeholder and there is no value.
    pub fn bound(&self, placeholder: &Placeholder, value: Option<&str>) -> Option<Template> {
        let bound = |part: &Part| match part {
            part if part.is(placeholder) => value.map(|value| Part::Text(value.into())),
            part => Some(part.clone()),
        };
        self.0.iter().map(bound).collect::<Option<_>>().map(Template)
    }
}

impl JsonTemplate {
    /// Returns the value with `value` in the place of `placeholder`. If there is none, members and
    /// elements with the placeholder are left out, and so are lists and objects that have no others:
    /// then nothing may remain.
    pub fn bound(&self, placeholder: &Placeholder, value: Option<&str>) -> Option<JsonTemplate> {
        let bound = |template: &JsonTemplate| template.bound(placeholder, value);
        Some(match self {
            JsonTemplate::Text(template) => JsonTemplate::Text(template.bound(placeholder, value)?),
            JsonTemplate::Value(it) if it == placeholder => JsonTemplate::Literal(value?.into()),
            JsonTemplate::Number(it) if it == placeholder => {
                let (text, number) = (value?, value?.parse::<Number>());
                JsonTemplate::Literal(number.map_or_else(|_| text.into(), Value::Number))
            }
            JsonTemplate::List(list) => {
                let left: Vec<_> = list.iter().filter_map(bound).collect();
                JsonTemplate::List(some(left, list.len())?)
            }
            JsonTemplate::Object(members) => {
                let bound = |(name, it): &(String, _)| Some((name.clone(), bound(it)?));
                let left: Vec<_> = members.iter().filter_map(bound).collect();
                JsonTemplate::Object(some(left, members.len())?)
            }
            JsonTemplate::Value(_) | JsonTemplate::Number(_) | JsonTemplate::Literal(_) => {
                self.clone()
            }
        })
    }
}

/// Returns what is left of `before` entries, or `None` if nothing is.
fn some<T>(left: Vec<T>, before: usize) -> Option<Vec<T>> {
    (before == 0 || !left.is_empty()).then_some(left)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::super::Values;
    use super::*;

    #[test]
    fn entries_with_a_placeholder_without_a_value_are_left_out_with_what_they_alone_fill() {
        let since = Placeholder::Named(Arc::from("since"));
        let allowed = [since.clone(), Placeholder::Page];
        let body = json!({
            "q": { "range": { "changed": { "gte": "{since}" } } },
            "filter": ["a", "after {since}", { "from": "{since:number}" }],
            "size": 10, "page": "{page}", "none": {}, "list": [],
        });
        let template = JsonTemplate::parse(body, &allowed).unwrap();
        let values = Values { page: Some(2), ..Values::default() };
        let with = |value| template.bound(&since, value).unwrap().render(values);
        let kept = json!({ "filter": ["a"], "size": 10, "page": 2, "none": {}, "list": [] });
        assert_eq!(with(None), kept);
        let full = json!({
            "q": { "range": { "changed": { "gte": "17" } } }, "filter": ["a", "after 17", { "from": 17 }],
            "size": 10, "page": 2, "none": {}, "list": [],
        });
        assert_eq!(with(Some("17")), full);
        let text = Template::parse_text("updated>{since} {page}", &allowed).unwrap();
        assert_eq!(text.bound(&since, Some("é")).unwrap().plain(values), "updated>é 2");
        assert_eq!(text.bound(&since, None), None);
    }
}
