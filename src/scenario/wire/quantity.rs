//! Durations and percentages: texts with a unit.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::Spanned;
use toml::de::DeValue;

use crate::document::diagnostic::{Diagnostic, Problems, Span};
use crate::document::read::{FromToml, wrong_type};
use crate::scenario::units::{self, UnitError};

#[derive(Debug, Clone, Copy)]
pub(in crate::scenario) struct DurationText(pub(in crate::scenario) Duration);

impl FromToml for DurationText {
    fn from_toml(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Option<Self> {
        quantity(value, what, Some("s"), units::DURATION_FORM, units::duration, problems).map(DurationText)
    }
}

impl JsonSchema for DurationText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": units::DURATION_PATTERN })
    }
}

/// A warm-up: a duration, or the word `auto`.
#[derive(Debug, Clone, Copy)]
pub(in crate::scenario) enum WarmupText {
    /// Until the stack is steady.
    Auto,
    For(Duration),
}

impl FromToml for WarmupText {
    fn from_toml(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Option<Self> {
        if value.get_ref().as_str() == Some("auto") {
            return Some(WarmupText::Auto);
        }
        let form = format!("`auto`, or {}", units::DURATION_FORM);
        quantity(value, what, Some("s"), &form, units::duration, problems).map(WarmupText::For)
    }
}

impl JsonSchema for WarmupText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Warmup".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "const": "auto" }, { "type": "string", "pattern": units::DURATION_PATTERN }] })
    }
}

/// The bound of a measured time as text, kept in microseconds.
#[derive(Debug, Clone, Copy)]
pub(in crate::scenario) struct BoundText(pub(in crate::scenario) f64);

impl FromToml for BoundText {
    fn from_toml(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Option<Self> {
        quantity(value, what, Some("ms"), units::BOUND_FORM, units::bound_us, problems).map(BoundText)
    }
}

impl JsonSchema for BoundText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Bound".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": units::BOUND_PATTERN })
    }
}

/// Growth of memory as text, kept in bytes per request.
#[derive(Debug, Clone, Copy)]
pub(in crate::scenario) struct MemoryGrowthText(pub(in crate::scenario) f64);

impl FromToml for MemoryGrowthText {
    fn from_toml(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Option<Self> {
        quantity(value, what, Some("MiB per 100k"), units::MEMORY_GROWTH_FORM, units::memory_growth, problems)
            .map(MemoryGrowthText)
    }
}

impl JsonSchema for MemoryGrowthText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "MemoryGrowth".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": units::MEMORY_GROWTH_PATTERN })
    }
}

/// Growth of a count as text, kept per request.
#[derive(Debug, Clone, Copy)]
pub(in crate::scenario) struct CountGrowthText(pub(in crate::scenario) f64);

impl FromToml for CountGrowthText {
    fn from_toml(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Option<Self> {
        quantity(value, what, Some(" per 100k"), units::COUNT_GROWTH_FORM, units::count_growth, problems)
            .map(CountGrowthText)
    }
}

impl JsonSchema for CountGrowthText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "CountGrowth".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": units::COUNT_GROWTH_PATTERN })
    }
}

/// A percentage as text, kept as a fraction.
#[derive(Debug, Clone, Copy)]
pub(in crate::scenario) struct PercentText(pub(in crate::scenario) f64);

impl FromToml for PercentText {
    fn from_toml(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Option<Self> {
        quantity(value, what, None, units::PERCENT_FORM, units::percent, problems).map(PercentText)
    }
}

impl JsonSchema for PercentText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Percent".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": units::PERCENT_PATTERN })
    }
}

/// Reads a text with a unit. For a bare number the hint suggests `usual_unit`.
fn quantity<T>(
    value: &Spanned<DeValue<'_>>,
    what: &str,
    usual_unit: Option<&str>,
    form: &str,
    parse: fn(&str) -> Result<T, UnitError>,
    problems: &mut Problems<'_>,
) -> Option<T> {
    let problem = match value.get_ref() {
        DeValue::String(text) => match parse(text) {
            Ok(quantity) => return Some(quantity),
            Err(error) => Diagnostic::at(value.span(), format!("{what}: {error}")).hint(format!("accepted: {form}")),
        },
        DeValue::Integer(number) => without_unit(value.span(), what, &number.to_string(), usual_unit, form),
        DeValue::Float(number) => without_unit(value.span(), what, number.as_str(), usual_unit, form),
        _ => {
            wrong_type(value, what, form, problems);
            return None;
        }
    };
    problems.push(problem);
    None
}

fn without_unit(span: Span, what: &str, number: &str, usual_unit: Option<&str>, form: &str) -> Diagnostic {
    let write = usual_unit.map(|unit| format!("write \"{number}{unit}\"; ")).unwrap_or_default();
    Diagnostic::at(span, format!("{what} is a number without a unit")).hint(format!("{write}accepted: {form}"))
}
