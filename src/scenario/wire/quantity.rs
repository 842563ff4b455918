//! Quantities with their unit: a duration, a percentage.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::Spanned;
use toml::de::DeValue;

use crate::document::diagnostic::{Diagnostic, Problems, Span};
use crate::document::read::{FromToml, wrong_type};
use crate::scenario::units::{self, UnitError};

/// A duration as text with its unit.
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
    /// Until the evidence says that it is over.
    Auto,
    /// So long.
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

/// Reads text with a unit; a bare number is shown with the unit it must have meant, if there is such a one.
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
