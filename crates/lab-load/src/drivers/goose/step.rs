//! Evaluates a response against a journey's step, and extracts the values for later steps.

use reqwest::header::HeaderMap;

use crate::wire::{ErrorClass, Extraction, Step, Values};

/// The parts of a response that a step's rules apply to.
#[derive(Debug)]
pub(super) struct StepResponse {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// Empty if the step does not use it.
    pub(super) body: Vec<u8>,
}

impl Step {
    /// Whether a rule or an extraction uses the body.
    pub(super) fn wants_body(&self) -> bool {
        self.expect.body.is_some() || self.extract.iter().any(Extraction::needs_body)
    }

    /// Evaluates a response and extracts its values.
    ///
    /// # Errors
    /// The class of the failure: that of an error status that is not expected, otherwise `check-failed`.
    pub(super) fn evaluate(&self, response: &StepResponse, values: &mut Values) -> Result<(), ErrorClass> {
        if self.expect.status != Some(response.status) {
            if let Some(class) = ErrorClass::from_status(response.status) {
                return Err(class);
            }
            if self.expect.status.is_some() {
                return Err(ErrorClass::CheckFailed);
            }
        }
        let body = String::from_utf8_lossy(&response.body);
        let headers_pass = self.expect.headers.iter().all(|(name, rule)| {
            let lines = response.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
            rule.accepts(&lines.collect::<Vec<_>>())
        });
        if !headers_pass || self.expect.body.as_ref().is_some_and(|rule| !rule.accepts(&body)) {
            return Err(ErrorClass::CheckFailed);
        }
        let lines = |name: &str| {
            let values = response.headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
            values.map(str::to_owned).collect()
        };
        for extraction in &self.extract {
            let value = extraction.find(&lines, &body).ok_or(ErrorClass::CheckFailed)?;
            values.insert(extraction.name.clone(), value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;
    use crate::wire::{HeaderRule, Pattern, StepExpectation, StepText, TextPiece, TextRule, ValueSource};

    fn response(status: u16, headers: &[(&str, &str)], body: &str) -> StepResponse {
        let line = |(name, value): &(&str, &str)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
        };
        StepResponse { status, headers: headers.iter().map(line).collect(), body: body.as_bytes().to_vec() }
    }

    fn step(expect: StepExpectation, extract: &[(&str, ValueSource)]) -> Step {
        Step {
            name: "step".into(),
            method: "GET".into(),
            target: StepText(vec![TextPiece::Literal("/".into())]),
            headers: Vec::new(),
            body: StepText::default(),
            times: NonZeroU32::MIN,
            think: Duration::ZERO,
            extract: extract
                .iter()
                .map(|(name, from)| Extraction { name: (*name).into(), from: from.clone(), matches: None })
                .collect(),
            expect,
        }
    }

    fn evaluated(expect: StepExpectation, response: &StepResponse) -> Result<(), ErrorClass> {
        step(expect, &[]).evaluate(response, &mut Values::new())
    }

    #[test]
    fn unexpected_status_is_an_error() {
        let of = |status| StepExpectation { status, ..StepExpectation::default() };
        assert_eq!(evaluated(of(None), &response(302, &[], "")), Ok(()));
        assert_eq!(evaluated(of(None), &response(404, &[], "")), Err(ErrorClass::Status4xx));
        assert_eq!(evaluated(of(Some(404)), &response(404, &[], "")), Ok(()));
        assert_eq!(evaluated(of(Some(200)), &response(500, &[], "")), Err(ErrorClass::Status5xx));
        assert_eq!(evaluated(of(Some(200)), &response(302, &[], "")), Err(ErrorClass::CheckFailed));
    }

    #[test]
    fn violated_rule_is_a_failed_check() {
        let matches = |pattern: &str| TextRule::Matches(Pattern::try_from(pattern.to_owned()).unwrap());
        for (rule, accepted) in [
            (TextRule::Equal("Pong!".into()), true),
            (TextRule::Equal("Pong".into()), false),
            (TextRule::Contains("ong".into()), true),
            (matches("^P.*!$"), true),
            (matches("^x"), false),
            (TextRule::Empty, false),
            (TextRule::Not(Box::new(TextRule::Empty)), true),
            (TextRule::Not(Box::new(matches("^P"))), false),
        ] {
            let expect = StepExpectation { body: Some(rule.clone()), ..StepExpectation::default() };
            let wanted = if accepted { Ok(()) } else { Err(ErrorClass::CheckFailed) };
            assert_eq!(evaluated(expect, &response(200, &[], "Pong!")), wanted, "{rule:?}");
        }
        for (name, rule, accepted) in [
            ("via", HeaderRule::Absent, true),
            ("X-A", HeaderRule::Absent, false),
            ("x-a", HeaderRule::Present, true),
            ("x-a", HeaderRule::Count(2), true),
            ("x-a", HeaderRule::Lines(vec![TextRule::Equal("1".into()), TextRule::Equal("2".into())]), true),
            ("x-a", HeaderRule::Lines(vec![TextRule::Equal("2".into())]), false),
            ("x-a", HeaderRule::Not(TextRule::Equal("3".into())), true),
            ("x-a", HeaderRule::Not(TextRule::Equal("2".into())), false),
        ] {
            let expect = StepExpectation { headers: vec![(name.into(), rule.clone())], ..StepExpectation::default() };
            let wanted = if accepted { Ok(()) } else { Err(ErrorClass::CheckFailed) };
            assert_eq!(evaluated(expect, &response(200, &[("X-A", "1"), ("X-A", "2")], "")), wanted, "{rule:?}");
        }
    }

    #[test]
    fn expression_narrows_a_value() {
        let extraction = |from: ValueSource, matches: &str| {
            let matches = Some(Pattern::try_from(matches.to_owned()).unwrap());
            Extraction { name: "value".into(), from, matches }
        };
        let lines = |name: &str| if name == "Location" { vec!["/items/17?new".to_owned()] } else { Vec::new() };
        let body = r#"<input name="csrf" value="t0k3n">"#;
        for (extraction, value) in [
            (extraction(ValueSource::Body, r#"name="csrf" value="([^"]+)""#), Some("t0k3n")),
            (extraction(ValueSource::Header("Location".into()), "[0-9]+"), Some("17")),
            (extraction(ValueSource::Header("Location".into()), "^[0-9]+"), None),
            (extraction(ValueSource::Header("Via".into()), "."), None),
        ] {
            assert_eq!(extraction.find(&lines, body).as_deref(), value, "{extraction:?}");
        }
    }

    #[test]
    fn values_are_extracted_and_filled_in() {
        let sources = [
            ("location", ValueSource::Header("Location".into())),
            ("session", ValueSource::Cookie("id".into())),
            ("id", ValueSource::Json("/items/1/id".to_owned().try_into().unwrap())),
        ];
        let headers = [("Location", "/next"), ("Set-Cookie", "a=1"), ("Set-Cookie", "id=xyz; Path=/; HttpOnly")];
        let good = response(200, &headers, r#"{"items":[{},{"id":7}]}"#);
        let mut values = Values::new();
        step(StepExpectation::default(), &sources).evaluate(&good, &mut values).unwrap();
        let piece = |name: &str| TextPiece::Value(name.to_owned());
        let text = StepText(vec![piece("location"), TextPiece::Literal("?".into()), piece("session"), piece("id")]);
        assert_eq!(text.fill(&values), Ok("/next?xyz7".to_owned()));
        assert_eq!(text.fill(&Values::new()), Err("location".to_owned()));

        for (at, broken) in
            [response(200, &[], ""), response(200, &headers[..1], ""), response(200, &headers, "{}")].iter().enumerate()
        {
            let evaluated = step(StepExpectation::default(), &sources).evaluate(broken, &mut Values::new());
            assert_eq!(evaluated, Err(ErrorClass::CheckFailed), "{at}");
        }
    }
}
