//! Advice for those who write XPath: the CSS selector that means the same.

/// Returns the CSS selector of a simple XPath such as `//div[@class='x']/a/@href`, or `None` if the
/// text is not one.
pub fn as_css(text: &str) -> Option<String> {
    let text = text.trim();
    if !text.starts_with('/') {
        return None;
    }
    let mut css = String::new();
    let mut take = "";
    let mut attribute = None;
    let mut is_below = true;
    for step in text.split('/').skip(1) {
        match step {
            "" => is_below = true,
            "text()" => take = "::text",
            step if step.starts_with('@') => attribute = step.get(1..),
            step => {
                if !css.is_empty() {
                    css.push_str(if is_below { " " } else { " > " });
                }
                css.push_str(&element(step)?);
                is_below = false;
            }
        }
    }
    let taken = attribute.map_or_else(|| take.to_owned(), |name| format!("::attr({name})"));
    (!css.is_empty()).then(|| format!("{css}{taken}"))
}

/// Returns one step, a name with tests of attributes or a position.
fn element(step: &str) -> Option<String> {
    let (name, mut rest) = step.split_at(step.find('[').unwrap_or(step.len()));
    let is_name = |name: &str| name.chars().all(|c| c.is_alphanumeric() || "-_:*".contains(c));
    let mut css = Some(name).filter(|name| is_name(name) && !name.is_empty())?.to_owned();
    while let Some((test, further)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        rest = further;
        if test.parse::<u32>().is_ok() {
            css.push_str(&format!(":nth-of-type({test})"));
            continue;
        }
        let test = test
            .strip_prefix("contains(")
            .map(|test| test.trim_end_matches(')').replacen(',', "*=", 1))
            .unwrap_or_else(|| test.to_owned());
        let (name, value) = match test.strip_prefix('@')?.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim().trim_matches(['\'', '"']))),
            None => (test.get(1..)?, None),
        };
        let is_part = name.ends_with('*');
        let name = name.trim_end_matches('*').trim();
        let is_word = |value: &str| value.chars().all(|c| c.is_alphanumeric() || "-_".contains(c));
        css.push_str(&match (name, value) {
            ("class", Some(value)) if is_word(value) => format!(".{value}"),
            ("id", Some(value)) if is_word(value) && !is_part => format!("#{value}"),
            (name, Some(value)) if is_part => format!("[{name}*=\"{value}\"]"),
            (name, Some(value)) => format!("[{name}=\"{value}\"]"),
            (name, None) => format!("[{name}]"),
        });
    }
    rest.is_empty().then_some(css)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_css_of_simple_xpaths_is_known() {
        for (xpath, css) in [
            ("//h1/text()", "h1::text"),
            ("//div[@class='item']/a/@href", "div.item > a::attr(href)"),
            ("//div[contains(@class, 'item')]//a", "div.item a"),
            ("/html/body//li[2]", "html > body li:nth-of-type(2)"),
            ("//*[@id=\"main\"]/p", "*#main > p"),
            ("//a[@rel='next page']/@href", "a[rel=\"next page\"]::attr(href)"),
            ("//input[@name]", "input[name]"),
        ] {
            assert_eq!(as_css(xpath).as_deref(), Some(css), "{xpath}");
        }
        for none in ["h1", "$.a", "/", "//a[position() > 1]", "//a | //b"] {
            assert_eq!(as_css(none), None, "{none}");
        }
    }
}
