//! What a rule for cookies applies to.

use crate::variables::Template;
use crate::variables::pattern::Pattern;

#[derive(Debug, Clone)]
pub(crate) enum AttributeMatch {
    Text(Template),
    Pattern(Pattern),
}
