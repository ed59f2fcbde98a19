//! Templates with their values: placeholders whose values are the same for all requests of a sweep are
//! replaced once. Entries that lack a value are left out, and so is what they alone fill.

use serde_json::{Map, Number, Value};

use super::{JsonTemplate, Part, Placeholder, Template, Values};

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

    /// Renders the value. Members and elements of which a value by name is not there are left out, and
    /// so are lists and objects that have no others.
    pub fn render(&self, values: Values<'_>) -> Value {
        let empty = || match self {
            JsonTemplate::List(_) => Value::Array(Vec::new()),
            JsonTemplate::Object(_) => Value::Object(Map::new()),
            _ => Value::Null,
        };
        self.filled(values).unwrap_or_else(empty)
    }

    /// Renders the value, or returns `None` if it is left out.
    fn filled(&self, values: Values<'_>) -> Option<Value> {
        Some(match self {
            JsonTemplate::Text(template) => {
                template.is_filled(values).then(|| Value::String(template.plain(values)))?
            }
            JsonTemplate::Value(Placeholder::Named(name))
            | JsonTemplate::Number(Placeholder::Named(name))
                if values.of_name(name).is_none() =>
            {
                return None;
            }
            JsonTemplate::Value(placeholder) => values.value(placeholder),
            JsonTemplate::Number(placeholder) => values.number(placeholder),
            JsonTemplate::Literal(value) => value.clone(),
            JsonTemplate::List(list) => {
                let left: Vec<Value> = list.iter().filter_map(|it| it.filled(values)).collect();
                Value::Array(some(left, list.len())?)
            }
            JsonTemplate::Object(members) => {
                let filled =
                    |(name, it): &(String, JsonTemplate)| Some((name.clone(), it.filled(values)?));
                let left: Vec<_> = members.iter().filter_map(filled).collect();
                Value::Object(some(left, members.len())?.into_iter().collect())
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

    #[test]
    fn an_entry_with_a_value_that_is_not_there_is_left_out_whatever_else_it_has() {
        let a = Placeholder::Named(Arc::from("a"));
        let allowed = [a, Placeholder::Page];
        let body = json!({
            "note": "after {a}", "search_after": ["{a}"], "range": { "id": { "gt": "{a:number}" } },
            "either": ["{a}", "x"], "page": "{page}", "none": {},
        });
        let template = JsonTemplate::parse(body, &allowed).unwrap();
        let first = Values { page: Some(1), ..Values::default() };
        let left = json!({ "either": ["x"], "page": 1, "none": {} });
        assert_eq!(template.render(first), left);
        let named = [(Arc::from("a"), Box::from("7"))];
        let later = Values { named: &named, ..first };
        let full = json!({
            "note": "after 7", "search_after": [7], "range": { "id": { "gt": 7 } },
            "either": [7, "x"], "page": 1, "none": {},
        });
        assert_eq!(template.render(later), full);
        let only = JsonTemplate::parse(json!({ "after": "{a}" }), &allowed).unwrap();
        assert_eq!(only.render(first), json!({}));
    }
}
