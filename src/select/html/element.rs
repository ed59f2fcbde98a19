//! Elements as the selectors library sees them: scraper's, with `:contains("…")` and, in XML, names
//! with a prefix.

use cssparser::{CowRcStr, ParseError, ToCss};
use html5ever::Namespace;
use scraper::ElementRef;
use scraper::selector::{CssLocalName, CssString, PseudoElement};
use selectors::attr::{AttrSelectorOperation, CaseSensitivity, NamespaceConstraint};
use selectors::bloom::BloomFilter;
use selectors::context::MatchingContext;
use selectors::matching::ElementSelectorFlags;
use selectors::parser::{self, NonTSPseudoClass, SelectorImpl, SelectorParseErrorKind as Kind};
use selectors::{Element, OpaqueElement};

use super::super::budget::Budget;
use super::text;

/// The kind of selectors that are matched here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Css;

impl SelectorImpl for Css {
    type AttrValue = CssString;
    type Identifier = CssLocalName;
    type LocalName = CssLocalName;
    type NamespacePrefix = CssLocalName;
    type NamespaceUrl = Namespace;
    type BorrowedNamespaceUrl = Namespace;
    type BorrowedLocalName = CssLocalName;
    type NonTSPseudoClass = PseudoClass;
    type PseudoElement = PseudoElement;
    type ExtraMatchingData<'a> = Clock<'a>;
}

/// Budget of the page on which is matched.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock<'a>(pub Option<&'a Budget>);

impl Clock<'_> {
    /// Returns `true` if the time of the page is used up: then nothing matches, and the error is
    /// found by the next check.
    fn is_over(self) -> bool {
        self.0.is_some_and(|budget| budget.check().is_err())
    }
}

/// A pseudo-class that CSS does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PseudoClass {
    /// The element's own text has this part.
    Contains(Box<str>),
}

impl NonTSPseudoClass for PseudoClass {
    fn is_active_or_hover(&self) -> bool {
        false
    }

    fn is_user_action_state(&self) -> bool {
        false
    }
}

impl ToCss for PseudoClass {
    fn to_css<W: std::fmt::Write>(&self, dest: &mut W) -> std::fmt::Result {
        let PseudoClass::Contains(text) = self;
        dest.write_str(":contains(")?;
        cssparser::serialize_string(text, dest)?;
        dest.write_char(')')
    }
}

/// Parser of selectors.
#[derive(Debug, Clone, Copy)]
pub struct Parser {
    /// True for XML pages, where names have prefixes.
    pub is_xml: bool,
}

impl<'i> parser::Parser<'i> for Parser {
    type Impl = Css;
    type Error = Kind;

    fn parse_is_and_where(&self) -> bool {
        true
    }

    fn parse_has(&self) -> bool {
        true
    }

    /// In XML, a namespace is its prefix.
    fn namespace_for_prefix(&self, prefix: &CssLocalName) -> Option<Namespace> {
        self.is_xml.then(|| Namespace::from(&*prefix.0))
    }

    fn parse_non_ts_functional_pseudo_class(
        &self,
        name: CowRcStr<'i>,
        arguments: &mut cssparser::Parser<'i>,
        _after_part: bool,
    ) -> Result<PseudoClass, ParseError<Kind>> {
        if !name.eq_ignore_ascii_case("contains") {
            return Err(ParseError::custom(Kind::UnsupportedPseudoClassOrElement));
        }
        let text = arguments.expect_string()?;
        Ok(PseudoClass::Contains(text::folded_text(text.as_ref()).into()))
    }
}

/// An element of a page.
#[derive(Debug, Clone)]
pub struct Node<'a>(pub ElementRef<'a>);

impl Element for Node<'_> {
    type Impl = Css;

    fn opaque(&self) -> OpaqueElement {
        self.0.opaque()
    }

    fn parent_element(&self) -> Option<Self> {
        self.0.parent_element().map(Node)
    }

    fn parent_node_is_shadow_root(&self) -> bool {
        false
    }

    fn containing_shadow_host(&self) -> Option<Self> {
        None
    }

    fn is_pseudo_element(&self) -> bool {
        false
    }

    fn is_part(&self, _name: &CssLocalName) -> bool {
        false
    }

    fn is_same_type(&self, other: &Self) -> bool {
        self.0.is_same_type(&other.0)
    }

    fn imported_part(&self, _name: &CssLocalName) -> Option<CssLocalName> {
        None
    }

    fn prev_sibling_element(&self) -> Option<Self> {
        self.0.prev_sibling_element().map(Node)
    }

    fn next_sibling_element(&self) -> Option<Self> {
        self.0.next_sibling_element().map(Node)
    }

    fn first_element_child(&self) -> Option<Self> {
        self.0.first_element_child().map(Node)
    }

    fn is_html_element_in_html_document(&self) -> bool {
        self.0.is_html_element_in_html_document()
    }

    fn has_local_name(&self, name: &CssLocalName) -> bool {
        self.0.has_local_name(name)
    }

    fn has_namespace(&self, namespace: &Namespace) -> bool {
        self.0.has_namespace(namespace)
    }

    fn attr_matches(
        &self,
        namespace: &NamespaceConstraint<&Namespace>,
        name: &CssLocalName,
        operation: &AttrSelectorOperation<&CssString>,
    ) -> bool {
        self.0.attr_matches(namespace, name, operation)
    }

    fn match_non_ts_pseudo_class(
        &self,
        class: &PseudoClass,
        context: &mut MatchingContext<'_, Css>,
    ) -> bool {
        let PseudoClass::Contains(part) = class;
        !context.extra_data.is_over() && text::own(self.0).contains(&**part)
    }

    fn match_pseudo_element(
        &self,
        _element: &PseudoElement,
        _context: &mut MatchingContext<'_, Css>,
    ) -> bool {
        false
    }

    fn is_link(&self) -> bool {
        self.0.is_link()
    }

    fn is_html_slot_element(&self) -> bool {
        true
    }

    fn has_id(&self, id: &CssLocalName, case: CaseSensitivity) -> bool {
        self.0.has_id(id, case)
    }

    fn has_class(&self, name: &CssLocalName, case: CaseSensitivity) -> bool {
        self.0.has_class(name, case)
    }

    fn has_custom_state(&self, _name: &CssLocalName) -> bool {
        false
    }

    fn is_empty(&self) -> bool {
        Element::is_empty(&self.0)
    }

    fn is_root(&self) -> bool {
        let parent = self.0.parent();
        parent.is_some_and(|it| it.value().is_document() || it.value().is_fragment())
    }

    fn apply_selector_flags(&self, _flags: ElementSelectorFlags) {}

    fn add_element_unique_hashes(&self, _filter: &mut BloomFilter) -> bool {
        false
    }
}
